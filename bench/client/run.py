"""Client libraries beside each other: rate, CPU and allocations of the process that uses them. See scripts/client-costs.

What must hold: libraries take turns within each round, against one broker that keeps nothing; a run that was not told every
message has no figure. Ratios are made within a round, and their median is told. Deliberately absent: judging.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

LIBRARIES = ("burgee", "rumqttc", "mqtt5")
PAGE = Path("crates/burgee-client/README.md")
BEGIN, END = "<!-- costs:begin -->", "<!-- costs:end -->"
PATIENCE = 120.0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--burgee", required=True, help="the broker")
    parser.add_argument("--program", required=True, help="burgee-bench-client")
    parser.add_argument("--counting", required=True, help="the same, counting allocations")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    samples: dict[tuple[str, str, int], list[dict | None]] = {}
    for number in range(arguments.rounds + 1):
        # The last round counts, and is not timed.
        counts = number == arguments.rounds
        messages = arguments.messages // 10 if counts else arguments.messages
        for way in ("publish", "receive"):
            for qos in (0, 1, 2):
                for library in LIBRARIES:
                    program = arguments.counting if counts else arguments.program
                    key = (f"{way} allocations" if counts else way, library, qos)
                    with Broker(arguments.burgee, cores[0]) as port:
                        found = run(program, [library, way], qos, messages, port, cores[-1], arguments.program)
                    samples.setdefault(key, []).append(found)
        print(f"round {number + 1} of {arguments.rounds + 1}", flush=True)
    text = "\n".join(table(arguments, samples))
    print(text)
    if arguments.write:
        page = PAGE.read_text()
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    return 0


class Broker:
    """A burgee that keeps nothing, and drops nothing while a slow library takes its time."""

    def __init__(self, program: str, core: int) -> None:
        self.program, self.core = program, core

    def __enter__(self) -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory()
        words = ["serve", "--listen", f"tcp://127.0.0.1:{port}", "--durability", "memory", "--sys-interval", "0",
                 "--shards", "1", "--log", "error", "--outbox-bytes", "1GiB", "--queue-bytes", "1GiB"]  # fmt: skip
        self.process = subprocess.Popen(
            [self.program, *words], cwd=self.folder.name, stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
        )  # fmt: skip
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return port
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.folder.cleanup()


def run(program: str, words: list[str], qos: int, messages: int, port: int, core: int, sender: str) -> dict | None:
    """One figure; None if the library did not do it."""
    options = ["--qos", str(qos), "--messages", str(messages), "--port", str(port)]
    process = subprocess.Popen(
        [program, *words, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    try:
        if words[1] == "receive":
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                return None
            subprocess.run([sender, "burgee", "publish", *options], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
        out, _ = process.communicate(timeout=PATIENCE)
        return json.loads(out.splitlines()[-1]) if process.returncode == 0 else None
    except (subprocess.SubprocessError, IndexError):
        return None
    finally:
        process.kill()
        process.wait()


def table(arguments: argparse.Namespace, samples: dict[tuple[str, str, int], list[dict | None]]) -> list[str]:
    """All figures."""

    def figures(key: tuple[str, str, int], name: str) -> list[float | None]:
        return [None if one is None else one[name] for one in samples.get(key, [])]

    def middle(values: list[float | None]) -> float | None:
        there = [value for value in values if value is not None]
        return statistics.median(there) if there else None

    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    lines = [
        f"{arguments.messages:,} messages of 64 bytes, {arguments.rounds} rounds, medians; one thread on a core of its own, "
        "a window of 100; burgee, keeping nothing, on another core.",
        "",
        "| | QoS | " + " | ".join(LIBRARIES) + " | burgee's part of the better other |",
        "|---|---|" + "---|" * (len(LIBRARIES) + 1),
    ]
    for way in ("publish", "receive"):
        for title, key, name in (
            ("messages/s", way, "rate"),
            ("CPU µs a message", way, "cpu_us"),
            ("allocations a message", f"{way} allocations", "allocations"),
        ):
            for qos in (0, 1, 2):
                all_figures = [figures((key, library, qos), name) for library in LIBRARIES]
                best = max if name == "rate" else min
                ratios = []
                for mine, *others in zip(*all_figures, strict=True):
                    there = [other for other in others if other is not None]
                    if mine is not None and there and best(there) > 0:
                        ratios.append(mine / best(there))
                cells = " | ".join(shown(middle(values)) for values in all_figures)
                lines.append(f"| {way}, {title} | {qos} | {cells} | {shown(middle(ratios))} |")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
