"""Shows in a broker's system calls that nothing leaves before the sync that it depends on. Started by scripts/sync-order.

The definition, for each row of the ordering table in docs/durability.md: a packet came in with the call R, and what it
leads to left with the call S. Between the return of R and the entry of S there has to be a whole fsync or fdatasync of
a file of the data directory, entered behind the return of R, returned with success before the entry of S. For a message
it has to be the sync that covers it: between R and the entry of that sync a write to a file of the data directory has
to hold the message's own bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crash import trace, wire
from crash.brokers import Broker, Burgee, Mosquitto, find_mosquitto
from crash.clients import Probe, Publisher, World
from crash.ledger import FOREVER, Ledger
from crash.loop import Loop, Stalled
from crash.subscribers import Subscriber

# Bytes of a string that strace writes: more than all that is in flight, and than a page of the store.
STRING = 8192
WAIT = 60.0
# An acknowledgement, the packet that it answers, and the row's name.
ANSWERS = {
    wire.PUBACK: (0x30, "PUBACK to the publisher"),
    wire.PUBREC: (0x30, "PUBREC to the publisher"),
    wire.PUBCOMP: (0x60, "PUBCOMP to the publisher"),
    wire.PUBREL: (0x50, "PUBREL to the subscriber"),
    wire.SUBACK: (0x80, "SUBACK"),
    wire.UNSUBACK: (0xA0, "UNSUBACK"),
}
DELIVERY = "PUBLISH QoS 2 to the subscriber"
CONNACK = "CONNACK of a new session"
ROWS = (CONNACK, "SUBACK", "UNSUBACK", *(ANSWERS[one][1] for one in (wire.PUBACK, wire.PUBREC)), DELIVERY,
        "PUBREL to the subscriber", "PUBCOMP to the publisher")  # fmt: skip


@dataclass
class Verdict:
    """How often each row was seen, and kept."""

    seen: dict[str, int] = field(default_factory=dict)
    early: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unowed: int = 0
    unowed_syncs: int = 0
    syncs: int = 0

    @property
    def violations(self) -> int:
        """All rows together."""
        return sum(self.early.values())


class Traced(Burgee):
    """Burgee, and strace around it."""

    def command(self) -> list[str]:
        return around(self.folder) + super().command()


class TracedMosquitto(Mosquitto):
    """Mosquitto, and strace around it."""

    def command(self) -> list[str]:
        return around(self.folder) + super().command()


class Small(Publisher):
    """Messages of one size: all that is in flight has to fit into what strace writes."""

    def size(self) -> int:
        return 64


def around(folder: Path) -> list[str]:
    """strace's words."""
    return ["strace", "-f", "-yy", "-xx", "-s", str(STRING), "-o", str(folder / "calls"), "-e", f"trace={trace.CALLS}"]


def main() -> int:
    """Run, print, and return the process's status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--broker", choices=("burgee", "mosquitto", "mosquitto-eager"), default="burgee")
    parser.add_argument("--program", help="the broker's program [default: target/release/burgee; Debian's mosquitto]")
    parser.add_argument("--durability", default="sync", help="durability of burgee")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--messages", type=int, default=200, help="messages with several in flight")
    parser.add_argument("--must-fail", action="store_true", help="succeed only if something left too early")
    parser.add_argument("--keep", action="store_true", help="keep the log of system calls")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sync-order-")).resolve()
    try:
        broker = make(arguments, folder)
        load(broker, arguments.messages)
        verdict = judge(trace.read(folder / "calls", folder / "data"))
    except (Stalled, trace.Unreadable) as why:
        print(f"sync-order: {why}", file=sys.stderr)
        return 2
    finally:
        if arguments.keep:
            print(f"sync-order: kept {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    tell(broker.name, verdict)
    if arguments.must_fail:
        return 0 if verdict.violations else 1
    return 1 if verdict.violations and broker.promises else 0


def make(arguments: argparse.Namespace, folder: Path) -> Broker:
    """A broker under strace that has not been started."""
    if arguments.broker == "burgee":
        return Traced(arguments.program or "target/release/burgee", folder, arguments.shards, arguments.durability)
    program = arguments.program or find_mosquitto()
    if program is None:
        sys.exit("sync-order: mosquitto is missing: scripts/setup installs it")
    return TracedMosquitto(program, folder, arguments.broker == "mosquitto-eager")


def load(broker: Broker, messages: int) -> None:
    """First what nobody is owed, then what somebody is: one by one, then with several in flight."""
    loop, ledger = Loop(), Ledger()
    world = World(loop, ledger, broker.port)
    rng = random.Random(1)
    unowed = ledger.stream("unowed", 1)
    streams = [ledger.stream(f"owed/{qos}", qos) for qos in (1, 2)]
    broker.start()
    try:
        there: list[bool] = []
        probe = Probe(world, lambda: there.append(True))
        world.up = True
        probe.come()
        loop.run_until(lambda: bool(there), WAIT, "the broker to serve")
        stranger = Small(world, "order-stranger", [unowed], 1, rng)
        stranger.clean = True
        send(loop, stranger, 30)
        stranger.leave(True)
        present, away = (Subscriber(world, f"order-{name}", [("owed/#", 2)]) for name in ("present", "away"))
        for one in (present, away):
            one.come()
            loop.run_until(lambda one=one: one.ready and one.subscribed, WAIT, "SUBACK")
        away.leave(True)
        for name, window, share in (("single", 1, 20), ("several", 16, messages)):
            publisher = Small(world, f"order-{name}", streams, window, rng)
            send(loop, publisher, share)
        last = [one.messages[-1] for one in streams]
        loop.run_until(lambda: present.drained(last), WAIT, "the last message")
        present.toggle()
        loop.run_until(lambda: not present.subscribed, WAIT, "UNSUBACK")
        loop.run_until(lambda: all(one.gone < FOREVER for one in present.life.interests), WAIT, "UNSUBACK")
        # So that strace has seen the UNSUBACK leave for certain.
        heard = loop.packets
        present.send(wire.PINGREQ)
        loop.run_until(lambda: loop.packets > heard, WAIT, "PINGRESP")
    finally:
        end(broker)
        loop.close()


def send(loop: Loop, publisher: Publisher, count: int) -> None:
    """Publish so many, as fast as the window allows."""
    publisher.come()
    loop.run_until(lambda: publisher.ready, WAIT, "CONNACK")
    publisher.left = count
    publisher.world.busy = True
    publisher.pump()
    loop.run_until(lambda: publisher.left == 0 and not publisher.flight, WAIT, "acknowledgements")
    publisher.world.busy = False


def end(broker: Broker) -> None:
    """The broker is the only child of the strace that we started; strace ends with it."""
    process = broker.process
    if process is None:
        return
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if process.poll() is None and children.exists():
        for child in children.read_text().split():
            # SIGTERM would be an orderly end, with syncs that nobody waits for: of no interest here.
            kill(int(child))
    process.wait(WAIT)
    broker.kill()


def kill(child: int) -> None:
    """By number; it may have ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def judge(found: trace.Trace) -> Verdict:
    """Look at every packet that has to wait."""
    verdict = Verdict(syncs=len(found.syncs))
    syncs = Syncs(found)
    clients: dict[str, str] = {}
    cleans: set[str] = set()
    came: dict[tuple[str, int, int], trace.Packet] = {}
    published: dict[bytes, trace.Packet] = {}
    for packet in sorted([*found.incoming, *found.outgoing], key=lambda one: (one.call.end, one.call.begin)):
        who = packet.connection
        if packet.call.name in ("recvfrom", "read", "readv", "recvmsg"):
            kind = packet.first & 0xF0
            if kind == 0x10:
                length = int.from_bytes(packet.body[10:12], "big")
                clients[who] = packet.body[12 : 12 + length].decode()
                came[(who, 0x10, 0)] = packet
                if packet.body[7] & 0x02:
                    cleans.add(who)
            elif kind == 0x30:
                _, pid, payload = wire.opened(packet.first, packet.body)
                came[(who, 0x30, pid)] = packet
                published[payload] = packet
            elif kind in (0x50, 0x60, 0x80, 0xA0):
                came[(who, kind, int.from_bytes(packet.body[:2], "big"))] = packet
            continue
        for row, cause, payload in causes(packet, came, published):
            if who in cleans:
                verdict.unowed += row == ANSWERS[wire.PUBACK][1]
                verdict.unowed_syncs += syncs.between(cause.call.end, packet.call.begin) is not None
                continue
            verdict.seen[row] = verdict.seen.get(row, 0) + 1
            if not syncs.cover(cause, packet, payload):
                verdict.early[row] = verdict.early.get(row, 0) + 1
                if len(verdict.notes) < 8:
                    verdict.notes.append(
                        f"{row} ({clients.get(who, who)}) left in line {packet.call.begin + 1}; its cause came in line "
                        f"{cause.call.end + 1}, and no whole sync that covers it lies between"
                    )
    return verdict


def causes(
    packet: trace.Packet, came: dict[tuple[str, int, int], trace.Packet], published: dict[bytes, trace.Packet]
) -> Iterator[tuple[str, trace.Packet, bytes]]:
    """The row that an outgoing packet stands in, and what it depends on."""
    kind, who = packet.first & 0xF0, packet.connection
    if kind == wire.CONNACK and packet.body == b"\x00\x00":
        yield CONNACK, came[(who, 0x10, 0)], b""
    elif kind in ANSWERS:
        cause, row = ANSWERS[kind]
        found = came.get((who, cause, int.from_bytes(packet.body[:2], "big")))
        if found is not None:
            payload = wire.opened(found.first, found.body)[2] if cause == 0x30 else b""
            yield row, found, payload
    elif kind == 0x30 and packet.first & 0x06 == 0x04:
        payload = wire.opened(packet.first, packet.body)[2]
        if payload in published:
            yield DELIVERY, published[payload], payload


class Syncs:
    """Finds syncs by position."""

    def __init__(self, found: trace.Trace) -> None:
        self._syncs = sorted(found.syncs, key=lambda one: one.end)
        self._ends = [one.end for one in self._syncs]
        self._writes = sorted(found.writes, key=lambda one: one.begin)
        self._begins = [one.begin for one in self._writes]

    def between(self, after: int, before: int) -> trace.Call | None:
        """The last sync that lies wholly between."""
        at = bisect_right(self._ends, before - 1) - 1
        best: trace.Call | None = None
        while at >= 0 and self._ends[at] > after:
            if self._syncs[at].begin > after and (best is None or self._syncs[at].begin > best.begin):
                best = self._syncs[at]
            at -= 1
        return best

    def cover(self, cause: trace.Packet, packet: trace.Packet, payload: bytes) -> bool:
        """Whether a sync between covers what came."""
        sync = self.between(cause.call.end, packet.call.begin)
        if sync is None or not payload:
            return sync is not None
        # A file that is written from one end to the other may have a message in two writes.
        first, last = cause.call.end, sync.begin
        between = (one.data for one in self._writes[bisect_right(self._begins, first) :] if one.end < last)
        return payload in b"".join(between)


def tell(name: str, verdict: Verdict) -> None:
    """A table, and the first violations."""
    print(f"# {name}: {verdict.syncs} syncs")
    print("| leaves | seen | before its sync |\n|---|---|---|")
    for row in ROWS:
        print(f"| {row} | {verdict.seen.get(row, 0)} | {verdict.early.get(row, 0)} |")
    print(f"| PUBACK for what no persistent session is owed | {verdict.unowed} | {verdict.unowed_syncs} had a sync |")
    for note in verdict.notes:
        print(f"  {note}")


if __name__ == "__main__":
    sys.exit(main())
