"""What was published, what was acknowledged, and what came: the only memory that the verdict is made from.

What must hold: a payload proves itself; every event has its own number (`tick`), so "before" is never guessed. Written
from the standard, not from the broker.

Terms. A *stream* is one publisher, one topic and one QoS: the standard promises order within it. A *life* is one
persistent session of a subscriber, from the CONNECT that asked for it to the one that asked for a clean session. An
*interest* is one subscription of a life.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field

_HEAD = struct.Struct(">4sIIHHI")
_MARK = b"brge"
_CHECK = struct.Struct(">I")
_FILLER = hashlib.shake_256(b"crash").digest(1 << 17)
LEAST = _HEAD.size + _CHECK.size
FOREVER = 1 << 62


class Message:
    """One application message."""

    __slots__ = ("acked", "again", "asked", "epoch", "number", "sent", "seq", "size", "stream")

    def __init__(self, number: int, stream: Stream, seq: int, size: int) -> None:
        self.number = number
        self.stream = stream
        self.seq = seq
        self.size = size
        self.epoch = 0
        # Ticks: first sent, and acknowledged by the broker.
        self.sent = 0
        self.acked = FOREVER
        # Whether acknowledging it makes anybody owed it: a will that was withdrawn is not.
        self.asked = True
        # Whether its publisher sent it again: then the broker may take it for another one.
        self.again = False

    def payload(self) -> bytes:
        """The same bytes each time it is sent. A size of 0 removes a retained message."""
        if self.size == 0:
            return b""
        start = self.number * 31 % (1 << 16)
        rest = _FILLER[start : start + self.size - LEAST]
        head = _HEAD.pack(_MARK, self.number, self.seq, self.stream.number, self.size & 0xFFFF, 0)
        return head + rest + _CHECK.pack(zlib.crc32(rest, zlib.crc32(head)))

    def __str__(self) -> str:
        acked = "never acknowledged" if self.acked == FOREVER else f"acknowledged at {self.acked}"
        return (
            f"message {self.number} ({self.stream}, its {self.seq}th, {self.size} bytes, "
            f"first sent at {self.sent} in epoch {self.epoch}, {acked})"
        )


@dataclass
class Stream:
    """See the module."""

    number: int
    topic: str
    qos: int
    messages: list[Message] = field(default_factory=list)
    will: bool = False

    def __str__(self) -> str:
        return f"{self.topic} QoS {self.qos}"


@dataclass
class Interest:
    """A subscription, with the ticks of what was said about it."""

    topic_filter: str
    qos: int
    streams: frozenset[int]
    asked: int
    granted: int = FOREVER
    ended: int = FOREVER
    gone: int = FOREVER

    def demands(self, message: Message) -> bool:
        """Whether a message, once acknowledged, has to come because of it."""
        return self.granted < message.sent and self.ended == FOREVER and message.stream.number in self.streams

    def permits(self, message: Message) -> bool:
        """Whether a message may come because of it."""
        alive = self.asked < message.acked and message.sent < self.gone
        return alive and message.stream.number in self.streams


@dataclass
class Life:
    """See the module."""

    name: str
    interests: list[Interest] = field(default_factory=list)
    # How often each message came, those of QoS 2 counted when they were new to the receiver.
    came: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    # Set when the client has asked for its end: from then on nothing is demanded.
    waived: bool = False

    def granted_qos(self, message: Message) -> set[int]:
        """The QoS with which it may come."""
        return {min(one.qos, message.stream.qos) for one in self.interests if one.permits(message)}

    def demands(self, message: Message) -> bool:
        """Whether it has to come, once it is acknowledged."""
        return not self.waived and any(one.demands(message) for one in self.interests)


@dataclass
class Counts:
    """The verdict in numbers."""

    published: int = 0
    acknowledged: int = 0
    deliveries: int = 0
    lost: int = 0
    doubled: int = 0
    repeated: int = 0
    disordered: int = 0
    corrupted: int = 0
    strayed: int = 0
    reused: int = 0
    sessions_lost: int = 0
    sessions_raised: int = 0
    retained_lost: int = 0
    wills: int = 0
    wills_lost: int = 0
    wills_doubled: int = 0
    misspoken: int = 0
    errors: int = 0
    restarts: int = 0

    # Of these, none may be more than 0.
    FAULTS = (
        "lost", "doubled", "disordered", "corrupted", "strayed", "reused", "sessions_lost", "sessions_raised",
        "retained_lost", "wills_lost", "wills_doubled", "misspoken",
        "errors",
    )  # fmt: skip

    def faults(self) -> int:
        """How much went wrong."""
        return sum(getattr(self, name) for name in self.FAULTS)

    def add(self, other: Counts) -> None:
        """Sum up."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class Ledger:
    """See the module."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.notes: list[str] = []
        self.messages: list[Message] = []
        self.streams: list[Stream] = []
        self.lives: list[Life] = []
        self.epoch = 0
        self.now = 0
        self.acks = 0

    def tick(self) -> int:
        """The number of an event."""
        self.now += 1
        return self.now

    def note(self, kind: str, text: str) -> None:
        """Something went wrong."""
        setattr(self.counts, kind, getattr(self.counts, kind) + 1)
        if sum(1 for one in self.notes if one.startswith(kind)) < 3:
            self.notes.append(f"{kind}: {text} [epoch {self.epoch}, tick {self.now}]")

    def stream(self, topic: str, qos: int, will: bool = False) -> Stream:
        """A new stream."""
        stream = Stream(len(self.streams), topic, qos, will=will)
        self.streams.append(stream)
        return stream

    def create(self, stream: Stream, size: int) -> Message:
        """A new message, sent now."""
        message = Message(len(self.messages), stream, len(stream.messages), size)
        message.sent = self.tick()
        message.epoch = self.epoch
        self.messages.append(message)
        stream.messages.append(message)
        return message

    def matching(self, topic_filter: str) -> frozenset[int]:
        """The streams that a filter wants. All streams have to be there by now."""
        return frozenset(one.number for one in self.streams if matches(topic_filter, one.topic))

    def read(self, topic: str, payload: bytes) -> Message | None:
        """The message that these bytes are, if they are one and nothing of it was changed."""
        if len(payload) < LEAST or payload[:4] != _MARK:
            return None
        number = int.from_bytes(payload[4:8], "big")
        if number >= len(self.messages):
            return None
        message = self.messages[number]
        same = message.stream.topic == topic and message.size == len(payload)
        return message if same and message.payload() == payload else None

    def take(self, life: Life, message: Message, qos: int, dup: bool) -> None:
        """A message came that the receiver does not recognise as one it has under way."""
        self.counts.deliveries += 1
        before = life.came.get(message.number, 0)
        life.came[message.number] = before + 1
        allowed = life.granted_qos(message)
        if not allowed:
            self.note("strayed", f"{life.name} got {message}, and had no subscription for it")
        elif qos not in allowed:
            self.note("misspoken", f"{life.name} got {message} with QoS {qos}")
        if before and qos == 2:
            kind = "wills_doubled" if message.stream.will else "doubled"
            self.note(kind, f"{life.name} got {message} {before + 1} times")
        elif before:
            self.counts.repeated += 1
            if not dup and not message.again:
                self.note("misspoken", f"{life.name} got {message} again without DUP")
        elif message.asked:
            # A connection that was never accepted and the next one race each other: their wills have no order.
            if life.last.get(message.stream.number, -1) > message.seq:
                self.note("disordered", f"{life.name} got {message} behind a later one")
            life.last[message.stream.number] = max(life.last.get(message.stream.number, -1), message.seq)

    def missing(self, life: Life) -> list[Message]:
        """What has to come and has not."""
        if life.waived:
            return []
        wanted = frozenset().union(*(one.streams for one in life.interests if one.granted < FOREVER))
        return [
            message
            for number in sorted(wanted)
            for message in self.streams[number].messages
            if message.acked < FOREVER
            and message.asked
            and message.number not in life.came
            and life.demands(message)
        ]

    def judge(self) -> Counts:
        """Count what is missing."""
        for life in self.lives:
            for message in self.missing(life):
                kind = "wills_lost" if message.stream.will else "lost"
                self.note(kind, f"{life.name} never got {message}")
        ordinary = [one for one in self.messages if not one.stream.will]
        self.counts.published = len(ordinary)
        self.counts.acknowledged = sum(1 for one in ordinary if one.acked < FOREVER)
        self.counts.wills = sum(1 for one in self.messages if one.stream.will and one.acked < FOREVER)
        return self.counts


def matches(topic_filter: str, topic: str) -> bool:
    """The standard's matching, without the rule about `$`: no topic here begins with it."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at >= len(levels) or level not in ("+", levels[at]):
            return False
    return len(wanted) == len(levels)
