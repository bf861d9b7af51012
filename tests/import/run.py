"""Runs all stories: once with Mosquitto, once with burgee on what was imported. Started by scripts/import."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "crash"))

from importing.client import WAIT, Failure, expect  # noqa: E402
from importing.stories import STORIES, Brokers  # noqa: E402



class Process:
    """A broker that is started here and ended by its id."""

    def __init__(self, command: list[str], log: Path, port: int) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        until = time.monotonic() + WAIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    self.process.kill()
                    self.process.wait()
                    raise Failure(f"{command[0]} does not listen:\n{log.read_text()[-2000:]}") from None
                # Until it listens nothing tells that it will: ask again, after giving it the processor.
                os.sched_yield()

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure("the broker did not end") from None
        expect(code == 0, f"the broker ended with {code}:\n{self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """Whatever happened: nothing is left behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def with_mosquitto(program: str, folder: Path, names: list[str]) -> Path:
    """The first halves; returns the file that Mosquitto wrote at its end."""
    port = free_port()
    config = folder / "mosquitto.conf"
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder}/",
        "max_queued_messages 0",
        "log_dest stderr",
    ]
    if os.geteuid() == 0:
        lines.append("user root")
    config.write_text("\n".join(lines) + "\n")
    broker = Process([program, "-c", str(config)], folder / "mosquitto.log", port)
    try:
        for name in names:
            STORIES[name][0](Brokers(port))
        broker.stop()
    finally:
        broker.kill()
    return folder / "mosquitto.db"


def run_import(program: str, file: Path, data: Path) -> subprocess.CompletedProcess[str]:
    """`burgee import`."""
    command = [program, "import", str(file), "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def serve(program: str, data: Path, folder: Path, shards: int) -> tuple[Process, int]:
    """burgee on that directory."""
    port = free_port()
    command = [program, "serve", "--no-config", "--listen", f"tcp://127.0.0.1:{port}", "--data", str(data), "--shards", str(shards)]
    return Process(command, folder / "burgee.log", port), port


def judge(program: str, file: Path, folder: Path, names: list[str], shards: int) -> int:
    """Imports, and the second halves; returns how many went wrong."""
    data = folder / f"data-{shards}"
    done = run_import(program, file, data)
    expect(done.returncode == 0, f"the import failed: {done.stderr}")
    if shards == 1:
        print(done.stdout, end="")
    bad = 0
    broker, port = serve(program, data, folder, shards)
    try:
        for name in names:
            try:
                STORIES[name][1](Brokers(port))
                print(f"ok    {name}, {shards} shard(s)")
            except (Failure, OSError) as why:
                bad += 1
                print(f"BAD   {name}, {shards} shard(s): {why}")
        broker.stop()
    finally:
        broker.kill()
    log = (folder / "burgee.log").read_text()
    expect("panicked" not in log and "ERROR" not in log, f"burgee complains:\n{log[-2000:]}")
    check = subprocess.run([program, "store", "check", "--data", str(data)], capture_output=True, text=True, check=False)
    expect(check.returncode == 0, f"the store is not whole: {check.stdout}{check.stderr}")
    return bad


def refusals(program: str, file: Path, folder: Path) -> None:
    """Nothing is overwritten, and a part of a file is refused and leaves nothing."""
    data = folder / "data-1"
    before = (data / "burgee.db").read_bytes()
    again = run_import(program, file, data)
    expect(again.returncode == 1 and "already" in again.stderr, f"imported over a store: {again}")
    expect((data / "burgee.db").read_bytes() == before, "the store was touched")
    whole = file.read_bytes()
    part, nowhere = folder / "part.db", folder / "nowhere"
    for length in (10, 20, 30, len(whole) // 2 + 1, len(whole) - 1):
        part.write_bytes(whole[:length])
        cut = run_import(program, part, nowhere)
        expect(cut.returncode != 0 and not (nowhere / "burgee.db").exists(), f"imported {length} bytes: {cut}")
    expect("can be read" in cut.stderr, f"it is not said how far the file is whole: {cut.stderr}")
    print("ok    nothing is overwritten, a part is refused")


def main() -> int:
    """Run, print, and return the process's status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--burgee", required=True)
    parser.add_argument("--mosquitto", required=True)
    parser.add_argument("--only", nargs="*", default=[""], help="only stories whose name holds one of these texts")
    parser.add_argument("--keep", type=Path, help="where to keep the file that Mosquitto wrote")
    arguments = parser.parse_args()
    names = [name for name in STORIES if any(text in name for text in arguments.only)]
    expect(bool(names), f"no story is called so; there are: {', '.join(STORIES)}")
    with tempfile.TemporaryDirectory(prefix="burgee-import-") as place:
        folder = Path(place)
        file = with_mosquitto(arguments.mosquitto, folder, names)
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, arguments.keep / "mosquitto.db")
        bad = sum(judge(arguments.burgee, file, folder, names, shards) for shards in (1, 3))
        refusals(arguments.burgee, file, folder)
    print(f"{2 * len(names) - bad} good, {bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as why:
        print(f"import: {why}", file=sys.stderr)
        sys.exit(1)
