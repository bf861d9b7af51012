"""Durable rates of burgee, of the bare engine under it, and of other brokers, in interleaved rounds. See scripts/durable.

What must hold: ratios are made within a round and then their median is taken; every figure stands beside the sync policy
that it was measured with; a broker that broke a promise has no figure. Deliberately absent: judging; tables are for
people.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WINDOWS = (1, 16, 256, 1024)
# The disk and the processor change within seconds, and a lone message is compared with both: short turns, and many. A turn
# before and behind which a sync took so much more or less tells of the disk, and is left out.
TURNS, TURN_SECONDS, STEADY = 8, 0.7, 1.5
# Seconds before a figure is taken: at first the file of the log grows, and one message at a time takes longer to fill it.
WARM_UP, LONE_WARM_UP = 0.5, 1.8
PATIENCE = 60.0
PAGE = Path("docs/performance.md")
BEGIN, END = "<!-- durable:begin -->", "<!-- durable:end -->"
Samples = dict[str, list[float | None]]


@dataclass
class Contestant:
    """A broker, and what its acknowledgement is worth."""

    key: str
    title: str
    policy: str
    command: Callable[[Path, int, argparse.Namespace], list[str]]
    durable: bool = True


def burgee(durability: str) -> Callable[[Path, int, argparse.Namespace], list[str]]:
    """Burgee's words."""

    def command(folder: Path, port: int, arguments: argparse.Namespace) -> list[str]:
        return [
            arguments.burgee, "serve", "--listen", f"tcp://127.0.0.1:{port}", "--data", str(folder / "data"),
            "--durability", durability, "--sys-interval", "0", "--log", "error",
        ]  # fmt: skip

    return command


def mosquitto(saving: str) -> Callable[[Path, int, argparse.Namespace], list[str]]:
    """Mosquitto's words and settings."""

    def command(folder: Path, port: int, arguments: argparse.Namespace) -> list[str]:
        settings = folder / "mosquitto.conf"
        user = "user root\n" if os.geteuid() == 0 else ""
        settings.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nlog_dest none\nsys_interval 0\n"
            "max_inflight_messages 1000\nmax_queued_messages 0\nmax_queued_bytes 0\n"
            f"persistence true\npersistence_location {folder}/\n{saving}{user}"
        )
        return [arguments.mosquitto, "-c", str(settings)]

    return command


def nats(folder: Path, port: int, arguments: argparse.Namespace) -> list[str]:
    """nats-server's words and settings: every message synced."""
    settings = folder / "nats.conf"
    settings.write_text(
        'server_name: durable\nlisten: "127.0.0.1:-1"\nlogfile: "/dev/null"\nmax_pending: 1GB\n'
        f'jetstream {{ store_dir: "{folder}/store", sync_interval: always }}\n'
        f'mqtt {{ host: "127.0.0.1", port: {port}, max_ack_pending: 1000 }}\n'
    )
    return [arguments.nats, "-c", str(settings)]


CONTESTANTS = (
    Contestant("burgee-sync", "burgee `--durability sync`", "one sync before an acknowledgement, shared by all that wait", burgee("sync")),
    Contestant("burgee-write", "burgee `--durability write`", "written before an acknowledgement, not synced", burgee("write")),
    Contestant("burgee-memory", "burgee `--durability memory`", "none", burgee("memory"), durable=False),
    Contestant("mosquitto-eager", "Mosquitto, `autosave_on_changes`, `autosave_interval 1`", "the whole state written after every change, behind the acknowledgement", mosquitto("autosave_on_changes true\nautosave_interval 1\n")),
    Contestant("mosquitto", "Mosquitto, autosave as it comes", "the whole state written every 30 minutes", mosquitto("")),
    Contestant("nats", "nats-server, `sync_interval: always`", "a sync for each message before its acknowledgement", nats),
)  # fmt: skip


class Run:
    """The samples of all rounds, by name."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.samples: Samples = {}
        self.notes: list[str] = []
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise SystemExit("durable: two cores are needed, one of them for a generator that does not sleep")
        self.broker_core, self.bench_core = cores[0], cores[-1]

    def note(self, name: str, value: float | None) -> None:
        """One sample."""
        self.samples.setdefault(name, []).append(value)
        print(f"{name}: {'none' if value is None else f'{value:.4g}'}", file=sys.stderr, flush=True)

    def round(self, number: int) -> None:
        """Everything once. What is compared most closely stands side by side."""
        wanted = [one for one in CONTESTANTS if available(one, self.arguments)]
        # The disk changes from minute to minute: the bare engine, burgee with it and without it follow each other.
        ours = [one for one in wanted if one.key in ("burgee-sync", "burgee-memory")]
        others = [one for one in wanted if one not in ours]
        for window in WINDOWS:
            # The generator's core may be the one that hears from the disk, which answers sooner where that does not sleep.
            with Spinning(self.bench_core):
                self.bare("1", window)
            self.bare("1", window, naps=True)
            turn = number % max(1, len(others))
            for one in ours:
                self.traffic(one, window)
                if one.durable or window == 1:
                    self.traffic(one, window, naps=True)
            for one in others[turn:] + others[:turn]:
                self.traffic(one, window)
        self.lone(ours)
        self.untouched(ours)
        self.bare("1,100", 256)
        self.fan_out()
        self.start()

    def lone(self, ours: list[Contestant]) -> None:
        """One message alone, and what it is compared with, in turns; the order changes from turn to turn."""
        whole, self.arguments.seconds = self.arguments.seconds, TURN_SECONDS
        for turn in range(TURNS):
            with Spinning(self.bench_core):
                self.bare("1", 1, label="lone ")
            for one in ours if turn % 2 else ours[::-1]:
                self.traffic(one, 1, label="lone ")
            with Spinning(self.bench_core):
                self.bare("1", 1, label="behind ")
        self.arguments.seconds = whole

    def bare(self, owing: str, window: int, naps: bool = False, label: str = "") -> None:
        """The engine alone, and the disk alone. `naps`: the core that is the generator's later has nothing to do."""
        prefix = "naps " if naps else label
        with Folder() as folder:
            words = [self.arguments.engine, "measure", "--directory", str(folder), "--owing", owing]
            words += ["--in-flight", str(window), "--seconds", str(self.arguments.seconds)]
            done = subprocess.run(words, check=True, capture_output=True, preexec_fn=on(self.broker_core))
        found = json.loads(done.stdout)
        if window == 1:
            self.note(f"{prefix}sync p50", found["sync_us"]["p50"])
            self.note(f"{prefix}sync mean", found["sync_us"]["mean"])
        if owing != "1":
            # For the comparison of both with each other only.
            for cell in found["engine"]:
                self.note(f"fan {cell['owing']} cpu", cell["cpu_us_per_message"])
            return
        for cell in found["engine"]:
            name = f"bare {prefix}{cell['owing']} {cell['in_flight']}"
            self.note(f"{name} rate", cell["messages_per_second"])
            self.note(f"{name} cpu", cell["cpu_us_per_message"])

    def traffic(self, one: Contestant, window: int, naps: bool = False, label: str = "") -> None:
        """One publisher, one persistent subscriber that is there. A generator that naps has to be woken up for each answer."""
        name = f"{one.key} {'naps ' if naps else label}{window}"
        words = ["p2p", "--pairs", "1", "--qos", "1", "--payload", "256", "--window", str(window), "--persistent"]
        words += [] if naps else ["--spin"]
        with Folder() as folder, Running(one, folder, self) as broker:
            found = self.bench(broker, words, LONE_WARM_UP if window == 1 else WARM_UP)
        self.note(f"{name} rate", None if found is None else found["messages"]["rate"])
        self.note(f"{name} cpu", None if found is None else found["process"]["cpu_us_per_message"])

    def untouched(self, ours: list[Contestant]) -> None:
        """What touches no disk has to be as it was."""
        for name, words, figure in (
            ("qos0 rate", ["p2p", "--pairs", "50"], lambda found: found["messages"]["rate"]),
            ("qos0 p50", ["latency", "--rate", "5000"], lambda found: found["latency_us"]["p50"]),
            ("clean qos1 rate", ["p2p", "--pairs", "50", "--qos", "1"], lambda found: found["messages"]["rate"]),
            ("idle", ["idle", "--connections", "2000", "--quiet-seconds", "1"],
             lambda found: found["figures"].get("bytes_per_connection")),
        ):  # fmt: skip
            for one in ours:
                with Folder() as folder, Running(one, folder, self) as broker:
                    found = self.bench(broker, words)
                self.note(f"{one.key} {name}", None if found is None else figure(found))

    def fan_out(self) -> None:
        """What the thread that writes costs for each message, owed to one session and to a hundred."""
        one = CONTESTANTS[0]
        for owing in (1, 100):
            words = ["fanout", "--subscribers", str(owing), "--qos", "1", "--payload", "256", "--window", "16"]
            with Folder() as folder, Running(one, folder, self) as broker:
                before = keeper(broker.process.pid)
                found = self.bench(broker, [*words, "--persistent"])
                after = keeper(broker.process.pid)
            cost = None
            if found is not None and before is not None and after is not None:
                cost = (after - before) / max(1, found["messages"]["sent"])
            self.note(f"keeper {owing} cpu", cost)

    def start(self) -> None:
        """A million messages wait for ten thousand clients."""
        with Folder() as folder:
            words = [self.arguments.engine, "fill", "--directory", str(folder / "data")]
            subprocess.run([*words, "--messages", str(self.arguments.queued)], check=True, stdout=subprocess.DEVNULL)
            begun = time.monotonic()
            with Running(CONTESTANTS[0], folder, self) as broker:
                self.note("start", (time.monotonic() - begun) * 1e3)
                begun = time.monotonic()
                first_message(broker.port)
                self.note("first message", (time.monotonic() - begun) * 1e3)

    def bench(self, broker: Running, words: list[str], warm_up: float = WARM_UP) -> dict | None:
        """The load generator's outcome, if the broker kept its promise."""
        command = [self.arguments.burgee, "bench", *words, "--address", f"127.0.0.1:{broker.port}", "--json"]
        command += ["--process", str(broker.process.pid)]
        if words[0] != "idle":
            command += ["--warm-up", str(warm_up), "--duration", str(self.arguments.seconds)]
        done = subprocess.run(command, capture_output=True, timeout=600, preexec_fn=on(self.bench_core))
        if done.returncode != 0:
            self.notes.append(f"{broker.key}, {' '.join(words)}: {done.stderr.decode(errors='replace').strip()[:300]}")
            print(self.notes[-1], file=sys.stderr)
            return None
        return json.loads(done.stdout)


class Folder:
    """A directory on the disk that is measured, taken away afterwards."""

    place = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "durable"

    def __enter__(self) -> Path:
        self.place.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(dir=self.place)).resolve()
        return self._folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class Spinning:
    """A core that does not sleep: a child that has nothing to do, and does it all the time. Ended by its id."""

    def __init__(self, core: int) -> None:
        self.core = core

    def __enter__(self) -> None:
        words = [sys.executable, "-c", "while True: pass"]
        self._child = subprocess.Popen(words, stdin=subprocess.DEVNULL, preexec_fn=on(self.core))

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()


class Running:
    """A broker that serves. Ended by its id."""

    def __init__(self, one: Contestant, folder: Path, run: Run) -> None:
        self.key = one.key
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        command = one.command(folder, self.port, run.arguments)
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, preexec_fn=on(run.broker_core), **how)

    def __enter__(self) -> Running:
        deadline = time.monotonic() + PATIENCE
        while not serves(self.port):
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.__exit__()
                raise SystemExit(f"durable: {self.key} does not serve")
            time.sleep(0.002)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def on(core: int) -> Callable[[], None]:
    """For a child: one core only."""
    return lambda: os.sched_setaffinity(0, {core})


def hello(name: str, clean: bool) -> bytes:
    """CONNECT."""
    body = b"\x00\x04MQTT\x04" + bytes([2 if clean else 0]) + b"\x00\x00" + len(name).to_bytes(2, "big") + name.encode()
    return bytes([0x10, len(body)]) + body


def serves(port: int) -> bool:
    """Whether a CONNECT is accepted."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as link:
            link.sendall(hello("durable-probe", True))
            return link.recv(4)[:1] == b"\x20"
    except OSError:
        return False


def first_message(port: int) -> None:
    """A client comes back and gets the first message that waited for it."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as link:
        link.sendall(hello("queued-0", False))
        heard = b""
        while len(heard) < 5:
            more = link.recv(4096)
            if not more:
                raise SystemExit("durable: the first client was not served")
            heard += more
        if heard[:4] != b"\x20\x02\x01\x00" or heard[4] & 0xF0 != 0x30:
            raise SystemExit(f"durable: the first client got {heard[:8].hex()}")


def keeper(process: int) -> float | None:
    """CPU time of the thread that writes, in microseconds."""
    for task in Path(f"/proc/{process}/task").iterdir():
        if any(name in (task / "comm").read_text() for name in ("keeper", "store", "writer")):
            return int((task / "schedstat").read_text().split()[0]) / 1e3
    return None


def available(one: Contestant, arguments: argparse.Namespace) -> bool:
    """Whether its program is there."""
    if arguments.only and one.key not in arguments.only:
        return False
    kind = one.key.split("-")[0]
    return bool(getattr(arguments, kind))


def middle(samples: list[float | None]) -> float | None:
    """The median of what there is."""
    there = [one for one in samples if one is not None]
    return statistics.median(there) if there else None


def ratio(run: Run, above: str, below: str) -> float | None:
    """The median of the ratios within each round."""
    pairs = zip(run.samples.get(above, []), run.samples.get(below, []), strict=False)
    return middle([a / b for a, b in pairs if a is not None and b])


def figure(value: float | None, digits: int = 3) -> str:
    """As people write it: so many digits that mean something."""
    if value is None:
        return "-"
    if value >= 1000:
        step = 10 ** max(0, len(str(int(value))) - digits)
        return f"{round(value / step) * step:,.0f}"
    return f"{value:.{digits}g}"


def tables(run: Run) -> str:
    """Everything in Markdown."""
    one = run.samples
    get = lambda name: middle(one.get(name, []))  # noqa: E731
    lines = [
        f"Messages/s of QoS 1, 256 bytes, one publisher, one persistent subscriber that is there; in brackets the part of "
        f"what the bare engine does in the same round, with the generator's core as busy. {run.arguments.rounds} rounds, "
        f"{run.arguments.machine}.",
        "",
        "| | before an acknowledgement | " + " | ".join(f"{window:,} in flight" for window in WINDOWS) + " | CPU µs a message, 1,024 |",
        "|---" * (len(WINDOWS) + 3) + "|",
    ]  # fmt: skip
    sleeps = "the generator sleeps between answers"
    rows = [("bare 1", "the bare engine", "one sync a group", None)]
    rows += [(who.key, who.title, who.policy, "bare 1" if who.key == "burgee-sync" else None) for who in CONTESTANTS]
    rows.insert(2, ("bare naps 1", "the bare engine, the generator's core sleeps", "as above", None))
    rows.insert(3, ("burgee-sync naps", f"burgee `--durability sync`, {sleeps}", "as above", "bare naps 1"))
    for key, title, policy, whole in rows:
        if f"{key} 1 rate" not in one:
            continue
        cells = []
        for window in WINDOWS:
            part = ratio(run, f"{key} {window} rate", f"{whole} {window} rate") if whole else None
            share = f" ({part * 100:.0f} %)" if part is not None else ""
            cells.append(figure(get(f"{key} {window} rate")) + share)
        lines.append(f"| {title} | {policy} | {' | '.join(cells)} | {figure(get(f'{key} 1024 cpu'))} |")
    lines += ["", *lone(run, get), "", *untouched(run, get)]
    lines += ["", *[f"- {note}" for note in run.notes]] if run.notes else []
    return "\n".join(lines)


def lone(run: Run, get: Callable[[str], float | None]) -> list[str]:
    """What waits for one sync, what fan-out costs, and how it starts."""
    lines = ["| what | figure |", "|---|---|"]
    for label, how in (("lone ", ""), ("naps ", ", the generator sleeps")):
        memory, durable = get(f"burgee-memory {label}1 rate"), get(f"burgee-sync {label}1 rate")
        sync = get(f"{label}sync p50")
        if not (memory and durable and sync):
            continue
        behind = "behind " if label == "lone " else label
        names = (f"{label}sync mean", f"{behind}sync mean", f"burgee-memory {label}1 rate", f"burgee-sync {label}1 rate")
        turns = [one for one in zip(*(run.samples[name] for name in names), strict=False) if all(one)]
        steady = [one for one in turns if max(one[:2]) <= STEADY * min(one[:2])]
        there = [((before + after) / 2, 1e6 / bare, 1e6 / lone) for before, after, bare, lone in steady]
        times = sorted(lone / (sync + bare) for sync, bare, lone in there)
        syncs = middle([(lone - bare) / sync for sync, bare, lone in there])
        spread = ""
        if label == "lone " and times:
            half = f"{figure(times[len(times) // 4])} and {figure(times[-1 - len(times) // 4])}"
            spread = f"; half of {len(times)} turns between {half}; {len(turns) - len(steady)} left out: the disk changed meanwhile"
        lines += [
            f"| one sync (a page overwritten and `fdatasync`), median{how} | {figure(sync)} µs |",
            f"| one message alone, to its PUBACK and its arrival, `memory`{how} | {figure(1e6 / memory)} µs |",
            f"| the same, `sync`{how} | {figure(1e6 / durable)} µs |",
            f"| the latter divided by the former plus one sync (mean){how} | {figure(middle(times))}{spread} |",
            f"| what `sync` adds to it, in syncs (mean){how} | {figure(syncs)} |",
        ]
    hundred = ratio(run, "keeper 100 cpu", "keeper 1 cpu")
    lines += [
        f"| CPU of the writing thread a message, owed to 1 session, `sync` | {figure(get('keeper 1 cpu'))} µs |",
        f"| the same, owed to 100 | {figure(get('keeper 100 cpu'))} µs ({figure(hundred)} times) |",
        f"| CPU of the bare engine a message, 256 in flight, owed to 1 and to 100 | {figure(get('fan 1 cpu'))} µs and {figure(get('fan 100 cpu'))} µs |",
        f"| from start to the first CONNACK with {run.arguments.queued:,} messages queued for 10,000 sessions, `sync` | {figure(get('start'))} ms |",
        f"| then, from CONNECT to the first message of a client that comes back | {figure(get('first message'))} ms |",
    ]  # fmt: skip
    return lines


def untouched(run: Run, get: Callable[[str], float | None]) -> list[str]:
    """What no persistent session is owed."""
    lines = ["| what no persistent session is owed | `memory` | `sync` | ratio |", "|---|---|---|---|"]
    for name, title in (
        ("qos0 rate", "QoS 0, 50 pairs, messages/s"), ("qos0 p50", "QoS 0, 5,000/s, latency p50, µs"),
        ("clean qos1 rate", "QoS 1, clean sessions, 50 pairs, messages/s"), ("idle", "idle connection, bytes"),
    ):  # fmt: skip
        cells = [figure(get(f"{key} {name}")) for key in ("burgee-memory", "burgee-sync")]
        part = figure(ratio(run, f"burgee-sync {name}", f"burgee-memory {name}"))
        lines.append(f"| {title} | {cells[0]} | {cells[1]} | {part} |")
    return lines


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--burgee", required=True, help="burgee's program")
    parser.add_argument("--engine", required=True, help="the program of the bare engine")
    parser.add_argument("--mosquitto", help="Mosquitto's program")
    parser.add_argument("--nats", help="nats-server's program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="measured seconds of a figure")
    parser.add_argument("--queued", type=int, default=1_000_000, help="messages queued for the start")
    parser.add_argument("--only", nargs="+", help="only these contestants")
    parser.add_argument("--from", dest="source", type=Path, help="draw the tables from a file of samples")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE}")
    arguments = parser.parse_args()
    arguments.machine = f"{os.cpu_count()} CPUs, {os.uname().sysname} {os.uname().release.split('-')[0]}"
    return arguments


def main() -> int:
    """Measure, keep the samples, print."""
    arguments = parse()
    run = Run(arguments)
    kept = Folder.place / "results.json"
    if arguments.source:
        found = json.loads(arguments.source.read_text())
        if "behind sync mean" not in found["samples"]:
            raise SystemExit(f"durable: the samples of {arguments.source} were taken in another way: measure again")
        run.samples, run.notes = found["samples"], found["notes"]
        arguments.rounds, arguments.machine, arguments.queued = found["rounds"], found["machine"], found["queued"]
    else:
        for number in range(arguments.rounds):
            print(f"# round {number + 1} of {arguments.rounds}", file=sys.stderr)
            run.round(number)
            held = {"samples": run.samples, "notes": run.notes, "rounds": number + 1, "machine": arguments.machine}
            kept.write_text(json.dumps({**held, "queued": arguments.queued}, indent=1))
    text = tables(run)
    print(text)
    if arguments.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
