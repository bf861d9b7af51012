"""Reads what strace wrote: which bytes came and left on which connection, and which syncs lay in between.

What must hold: a call begins where strace saw it enter and ends where it saw it return. strace holds a thread at both,
so what one thread did before another because of it stands before it in the log, too: positions in the log are proof,
times are not needed. Bytes that strace cut off are an error, not a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .wire import Inbox

CALLS = "recvfrom,read,readv,recvmsg,sendto,write,writev,sendmsg,pwrite64,fsync,fdatasync"
_INCOMING = frozenset(("recvfrom", "read", "readv", "recvmsg"))
_SYNCS = frozenset(("fsync", "fdatasync"))

_BEGUN = re.compile(r"^(\w+)\((\d+)<(.*)$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
_RESULT = re.compile(r"\)\s+= (-?\d+)")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_HEX = re.compile(r"\\x([0-9a-f]{2})")


class Unreadable(Exception):
    """The log cannot be judged; the text says why."""


@dataclass(frozen=True)
class Call:
    """One call that succeeded, on a connection or a file, and where it began and ended."""

    name: str
    what: str
    begin: int
    end: int
    data: bytes


@dataclass
class Packet:
    """A packet, and the call that its first byte (outgoing) or its last byte (incoming) belongs to."""

    connection: str
    first: int
    body: bytes
    call: Call


@dataclass
class Trace:
    """What the broker did."""

    incoming: list[Packet] = field(default_factory=list)
    outgoing: list[Packet] = field(default_factory=list)
    syncs: list[Call] = field(default_factory=list)
    writes: list[Call] = field(default_factory=list)


def read(log: Path, data: Path) -> Trace:
    """The trace of a broker that keeps its files below `data`."""
    trace = Trace()
    streams: dict[tuple[str, bool], _Stream] = {}
    kept = f"{data}/"
    for call in _calls(log):
        if call.what.startswith("TCP:"):
            comes = call.name in _INCOMING
            stream = streams.setdefault((call.what, comes), _Stream())
            packets = trace.incoming if comes else trace.outgoing
            packets += [Packet(call.what, first, body, at) for first, body, at in stream.take(call, comes)]
        elif call.name in _SYNCS and call.what.startswith(kept):
            trace.syncs.append(call)
        elif call.what.startswith(kept):
            trace.writes.append(call)
    return trace


class _Stream:
    """One direction of one connection."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._partly: Call | None = None

    def take(self, call: Call, comes: bool) -> Iterator[tuple[int, bytes, Call]]:
        """The packets that a call completes."""
        found = list(self._inbox.packets(call.data))
        for first, body in found:
            yield first, body, call if comes or self._partly is None else self._partly
            self._partly = None
        if self._inbox.partial and (self._partly is None or found):
            self._partly = call
        elif not self._inbox.partial:
            self._partly = None


def _calls(log: Path) -> Iterator[Call]:
    begun: dict[str, tuple[int, str]] = {}
    with log.open(errors="replace") as lines:
        for at, line in enumerate(lines):
            thread, _, text = line.strip().partition(" ")
            text = text.strip()
            if text.endswith("<unfinished ...>"):
                begun[thread] = (at, text.removesuffix("<unfinished ...>"))
                continue
            begin = at
            if resumed := _RESUMED.match(text):
                if thread not in begun:
                    continue
                begin, head = begun.pop(thread)
                text = head + resumed[2]
            call = _call(text, begin, at)
            if call is not None:
                yield call


def _call(text: str, begin: int, end: int) -> Call | None:
    found, result = _BEGUN.match(text), _RESULT.search(text)
    if found is None or result is None or int(result[1]) < 0:
        return None
    name, rest = found[1], found[3]
    what = _HEX.sub(lambda one: chr(int(one[1], 16)), rest[: _closing(rest)])
    if name in _SYNCS:
        return Call(name, what, begin, end, b"")
    parts = []
    for one in _BYTES.finditer(rest):
        parts.append(bytes.fromhex(one[1].replace("\\x", "")))
        if one[2] and what.startswith("TCP:"):
            raise Unreadable(f"strace cut bytes off in line {end + 1}: fewer messages in flight, or a larger -s")
    return Call(name, what, begin, end, b"".join(parts)[: int(result[1])])


def _closing(rest: str) -> int:
    """Where the description of the descriptor ends. That of a connection has an arrow in it."""
    at = rest.find(">")
    while at > 0 and rest[at - 1] == "-":
        at = rest.find(">", at + 1)
    return at
