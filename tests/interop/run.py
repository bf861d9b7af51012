"""Runs every interoperability test and says how it went. Started by scripts/interop."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import mkdtemp

from interop import cases, processes
from interop.broker import Burgee, External, Mosquitto
from interop.clients.cli import BURGEE, MOSQUITTO, Tools
from interop.clients.mqttjs import Agent
from interop.limits import Failure
from interop.proxy import Endpoint
from interop.suite import Broker, Case, Environment, Tally, library_cases, run_cases, tool_cases

HERE = Path(__file__).resolve().parent
MOSQUITTO_TOOLS = Tools(MOSQUITTO, "mosquitto_pub/_sub", ("mosquitto_pub",), ("mosquitto_sub",))


def main() -> int:
    """Run, print, and return the process's status."""
    arguments = parse()
    cases.load()
    watchdog(arguments.limit)
    tally = Tally()
    start = time.monotonic()
    rounds = [(count, durability) for durability in arguments.durability for count in arguments.shards]
    for count, durability in [(0, "")] if arguments.addr else rounds:
        run_once(arguments, count, durability, tally)
    seconds = time.monotonic() - start
    print(f"{tally.passed} passed, {tally.failed} failed ({seconds:.0f} s)")
    return 1 if tally.failed or not tally.passed else 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--burgee", type=Path, required=True, help="the program under test")
    parser.add_argument("--work", type=Path, required=True, help="folder for node_modules and runs")
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 3])
    parser.add_argument(
        "--durability", nargs="+", default=["memory", "sync"], help="what burgee keeps, a round for each"
    )
    parser.add_argument("--jobs", type=int, default=6, help="tests that run side by side")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for everything")
    parser.add_argument("--only", default="", help="run only tests whose name holds this text")
    parser.add_argument(
        "--addr",
        action="append",
        help="HOST:PORT of a broker that runs already; give [::1]:PORT too to test IPv6",
    )
    arguments = parser.parse_args()
    arguments.work = arguments.work.resolve()
    arguments.burgee = arguments.burgee.resolve()
    return arguments


def run_once(arguments: argparse.Namespace, shards: int, durability: str, tally: Tally) -> None:
    """All tests against one broker."""
    folder = Path(mkdtemp(prefix="run-", dir=arguments.work))
    agent = Agent(HERE / "js" / "agent.mjs", arguments.work)
    second: Mosquitto | None = None
    broker: Broker | None = None
    problem: str | None = None
    options = f"--shards {shards} --durability {durability}"
    label = f"the broker with {options} starts, stays up and ends cleanly on SIGTERM"
    print(f"# {external_name(arguments)}" if arguments.addr else f"# burgee {options}")
    start = time.monotonic()
    try:
        broker = open_broker(arguments, shards, durability, folder)
        second = open_mosquitto(folder)
        chosen = [
            case for case in all_cases(arguments.burgee, second) if arguments.only in case.name
        ]
        before = tally.failed
        run_cases(chosen, Environment(broker, agent, folder), arguments.jobs, tally)
        problem = broker.trouble()
        broker.stop()
        if tally.failed > before:
            show_log(broker)
    except Failure as failure:
        problem = str(failure)
        if broker is not None:
            show_log(broker)
    finally:
        agent.close()
        if second is not None:
            second.stop()
    if problem is not None or not arguments.addr:
        tally.note(label, time.monotonic() - start, problem)
    shutil.rmtree(folder, ignore_errors=True)


def show_log(broker: Broker) -> None:
    """What the broker had to say, where anything is known of it."""
    if text := broker.errors():
        print(f"--- the end of the broker's log ---\n{text}\n---")


def open_broker(
    arguments: argparse.Namespace, shards: int, durability: str, folder: Path
) -> Broker:
    """The broker under test."""
    if not arguments.addr:
        return Burgee(arguments.burgee, shards, durability, folder)
    ends = [endpoint(one) for one in arguments.addr]
    return External(ends[0], ends[1] if len(ends) > 1 else None)


def open_mosquitto(folder: Path) -> Mosquitto | None:
    """Debian's Mosquitto, if it is there."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return Mosquitto(program, folder) if program else None


def all_cases(burgee: Path, second: Mosquitto | None) -> list[Case]:
    """Everything that can be run here; what cannot is said aloud."""
    found = library_cases() + tool_cases(MOSQUITTO_TOOLS)
    missing = [verb for verb in ("pub", "sub") if not has_verb(burgee, verb)]
    if missing:
        print(f"SKIPPED  burgee {' and burgee '.join(missing)} not there: no tests of them")
        return found
    ours = (str(burgee), "pub"), (str(burgee), "sub")
    found += tool_cases(Tools(BURGEE, "burgee pub/sub", *ours))
    if second is None:
        print("SKIPPED  burgee pub/sub against Mosquitto: no mosquitto here")
    else:
        found += tool_cases(Tools(BURGEE, "burgee pub/sub to Mosquitto", *ours), second.endpoint)
    return found


def has_verb(burgee: Path, verb: str) -> bool:
    """Whether the program has this subcommand."""
    try:
        done = subprocess.run(
            [burgee, verb, "--help"], capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def endpoint(text: str) -> Endpoint:
    """HOST:PORT or [HOST]:PORT."""
    host, _, port = text.rpartition(":")
    return Endpoint(host.strip("[]"), int(port))


def external_name(arguments: argparse.Namespace) -> str:
    """What stands over an external run."""
    return f"the broker at {', '.join(arguments.addr)}"


def watchdog(seconds: float) -> None:
    """End the whole run when it hangs in spite of every limit."""

    def bite() -> None:
        print(f"FAIL  the run is not over after {seconds:.0f} s", flush=True)
        processes.kill_rest()
        os._exit(2)

    timer = threading.Timer(seconds, bite)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
