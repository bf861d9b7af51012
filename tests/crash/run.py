"""Kills a broker under load, restarts it, and judges what it remembers. Started by scripts/crash."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from crash.brokers import Broker, Burgee, Mosquitto, find_mosquitto
from crash.ledger import Counts
from crash.story import Plan, Story

BROKERS = ("burgee", "mosquitto", "mosquitto-eager")
COLUMNS = (
    ("published", "published"), ("acknowledged", "acknowledged"), ("deliveries", "delivered"), ("lost", "lost"),
    ("doubled", "QoS 2 twice"), ("repeated", "QoS 1 again"), ("disordered", "out of order"),
    ("sessions_lost", "sessions lost"), ("sessions_raised", "sessions raised"), ("retained_lost", "retained lost"),
    ("wills", "wills"), ("wills_lost", "wills lost"), ("wills_doubled", "wills twice"), ("corrupted", "corrupted"),
    ("strayed", "strayed"), ("reused", "id reused"), ("misspoken", "misspoken"),
    ("errors", "errors"),
)  # fmt: skip


def main() -> int:
    """Run, print, and return the process's status."""
    arguments = parse()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    total, bad, starts = Counts(), 0, []
    begun = time.monotonic()
    name, promises = "", True
    for number in range(arguments.rounds):
        folder = Path(tempfile.mkdtemp(prefix="crash-", dir=arguments.work))
        broker = make(arguments, number, folder)
        name, promises = title(broker, arguments), broker.promises
        if number == 0:
            print(f"# {name}; {arguments.rounds} rounds of {arguments.kills} kills, seeds from {seed}", flush=True)
        story = Story(broker, Plan(seed + number, arguments.kills))
        clock = time.monotonic()
        counts = story.run()
        tell(seed + number, counts, story, time.monotonic() - clock, arguments, broker)
        bad += counts.faults() > 0
        total.add(counts)
        starts += story.starts
        if counts.faults() and arguments.keep:
            print(f"      kept: {folder}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        if bad and promises and arguments.first:
            break
    summary(name, total, bad, starts, time.monotonic() - begun, arguments)
    if arguments.must_fail:
        return 0 if bad else 1
    return 1 if bad and promises else 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=BROKERS, default="burgee")
    parser.add_argument("--program", help="the broker's program [default: target/release/burgee; Debian's mosquitto]")
    parser.add_argument("--rounds", type=int, default=10, help="rounds, each with a fresh broker")
    parser.add_argument("--kills", type=int, default=10, help="kills under load in each round; more come at its end")
    parser.add_argument("--seed", type=int, help="seed of the first round; the next ones count up")
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 3], help="shards of burgee, round by round")
    parser.add_argument("--durability", default="sync", help="durability of burgee")
    parser.add_argument("--keep", action="store_true", help="keep the directory and the log of a bad round")
    parser.add_argument("--notes", action="store_true", help="say the first faults of a broker that is not ours, too")
    parser.add_argument("--first", action="store_true", help="end with the first bad round")
    parser.add_argument("--must-fail", action="store_true", help="succeed only if faults were found")
    parser.add_argument("--markdown", action="store_true", help="end with a line for a table in Markdown")
    parser.add_argument("--work", help="where directories are made [default: the system's place]")
    return parser.parse_args()


def make(arguments: argparse.Namespace, number: int, folder: Path) -> Broker:
    """A broker that has not been started."""
    if arguments.broker == "burgee":
        shards = arguments.shards[number % len(arguments.shards)]
        return Burgee(arguments.program or "target/release/burgee", folder, shards, arguments.durability)
    program = arguments.program or find_mosquitto()
    if program is None:
        sys.exit("crash: mosquitto is missing: scripts/setup installs it")
    return Mosquitto(program, folder, arguments.broker == "mosquitto-eager")


def title(broker: Broker, arguments: argparse.Namespace) -> str:
    """What the rounds together are called."""
    if isinstance(broker, Burgee):
        return f"burgee --durability {arguments.durability} --shards {' and '.join(map(str, arguments.shards))}"
    return broker.name


def tell(
    seed: int, counts: Counts, story: Story, seconds: float, arguments: argparse.Namespace, broker: Broker
) -> None:
    """One round's lines."""
    said = "ok   " if not counts.faults() else "FAIL "
    faults = ", ".join(f"{getattr(counts, key)} {title}" for key, title in COLUMNS if getattr(counts, key))
    print(f"{said} seed {seed}: {faults} ({counts.restarts} starts, {seconds:.1f} s)", flush=True)
    if counts.faults() and (broker.promises or arguments.notes):
        for note in story.ledger.notes:
            print(f"      {note}")
        again = f"--broker {arguments.broker} --rounds 1 --seed {seed} --kills {arguments.kills}"
        if isinstance(broker, Burgee):
            again += f" --shards {broker.shards} --durability {arguments.durability}"
        print(f"      again: tests/crash/run.py {again}", flush=True)


def summary(
    name: str, total: Counts, bad: int, starts: list[float], seconds: float, arguments: argparse.Namespace
) -> None:
    """The sum."""
    print(f"# {name}: {arguments.rounds} rounds, {bad} with faults, {total.restarts} starts, {seconds:.0f} s")
    for key, title in COLUMNS:
        print(f"{title:>16} {getattr(total, key):>9}")
    if starts:
        starts.sort()
        print(f"{'first CONNACK':>16} {starts[len(starts) // 2] * 1000:>6.0f} ms median, {starts[-1] * 1000:.0f} ms at most")
    if arguments.markdown:
        print(f"| {name} | " + " | ".join(f"{getattr(total, key):,}" for key, _ in COLUMNS) + " |")


if __name__ == "__main__":
    sys.exit(main())
