"""What all clients have in common, publishers, and clients with wills.

What must hold: a client keeps its half of the session as the standard says, over any number of connections: what is
not acknowledged is sent again in its order, PUBLISH with DUP and the same identifier, PUBREL behind PUBREC.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from . import wire
from .ledger import FOREVER, Ledger, Message, Stream
from .loop import Link, Loop

RETRY = 0.01


@dataclass
class World:
    """What all clients of a round share."""

    loop: Loop
    ledger: Ledger
    port: int
    # New messages may be published, subscriptions changed, connections cut.
    busy: bool = False
    # The broker is there.
    up: bool = False


class Client:
    """One client identifier. It comes back as long as it is wanted there and the broker is up."""

    def __init__(self, world: World, name: str, clean: bool = False) -> None:
        self.world = world
        self.name = name
        self.clean = clean
        self.wanted = False
        self.ready = False
        # Whether the broker has to know our session: None if that cannot be told.
        self.known: bool | None = False
        self._expected: bool | None = False
        self.link: Link | None = None
        self._retrying = False

    def come(self) -> None:
        """Connect, and come back after every loss."""
        self.wanted = True
        if self.link is None and self.world.up:
            self.link = Link(self.world.loop, self.world.port, self)

    def leave(self, politely: bool) -> None:
        """Close the connection and stay away."""
        self.wanted = False
        self._cut(politely)

    def cut(self) -> None:
        """Lose the connection, and come back."""
        self._cut(False)
        self._come_later()

    def hello(self) -> bytes:
        """CONNECT."""
        return wire.connect(self.name, self.clean)

    def on_open(self) -> None:
        assert self.link is not None
        # Until the CONNACK, nobody can tell whether there is a session that was to be made, or to be ended.
        self._expected = self.known
        if self.clean or self.known is False:
            self.known = None
        self.link.send(self.hello())

    def on_closed(self) -> None:
        self._down()
        self._come_later()

    def on_packet(self, first: int, body: bytes) -> None:
        if self.ready:
            self.packet(first, body)
        elif first == wire.CONNACK and len(body) == 2 and body[1] == 0:
            self._accepted(bool(body[0] & 1))
        else:
            self.world.ledger.note("misspoken", f"{self.name} got {first:#x} {body[:20]!r} for its CONNECT")
            self.cut()

    def packet(self, first: int, body: bytes) -> None:
        """A packet behind the CONNACK."""
        raise NotImplementedError

    def accepted(self, present: bool) -> None:
        """The CONNACK came."""
        raise NotImplementedError

    def dropped(self) -> None:
        """The connection has ended."""

    def send(self, data: bytes) -> None:
        """Say something, if somebody listens."""
        if self.link is not None:
            self.link.send(data)

    def _accepted(self, present: bool) -> None:
        ledger = self.world.ledger
        if self._expected is True and not present and not self.clean:
            ledger.note("sessions_lost", f"the session of {self.name} is gone")
        if present and (self.clean or self._expected is False):
            ledger.note("sessions_raised", f"a session of {self.name} is there that must not be")
        self.ready = True
        self.known = not self.clean
        self.accepted(present)

    def _cut(self, politely: bool) -> None:
        link = self.link
        if link is None:
            return
        if politely and self.ready:
            link.send(wire.DISCONNECT)
            link.finish()
        else:
            link.abort()
        self._down()

    def _down(self) -> None:
        was, self.ready, self.link = self.ready, False, None
        if was:
            self.dropped()

    def _come_later(self) -> None:
        if not self._retrying:
            self._retrying = True
            self.world.loop.later(RETRY, self._again)

    def _again(self) -> None:
        self._retrying = False
        if self.wanted:
            self.come()


class Probe(Client):
    """Shows that the broker serves: a CONNACK has come."""

    def __init__(self, world: World, then: Callable[[], None]) -> None:
        super().__init__(world, "crash-probe", clean=True)
        self._then = then

    def accepted(self, present: bool) -> None:
        self.leave(True)
        self._then()


class Publisher(Client):
    """Publishes on its streams as fast as its window and the broker allow."""

    def __init__(self, world: World, name: str, streams: list[Stream], window: int, rng: random.Random) -> None:
        super().__init__(world, name)
        self.streams = streams
        self.window = window
        self.left = 0
        self._rng = rng
        self._pid = 0
        # In the order of their first sending; the value tells whether PUBREC came.
        self.flight: dict[int, tuple[Message, bool]] = {}
        # Identifiers in the order in which PUBREC came.
        self._released: list[int] = []

    def accepted(self, present: bool) -> None:
        if not present and self.flight:
            self._start_over()
        for pid, (message, released) in self.flight.items():
            if not released:
                message.again = True
                self._say(pid, message, 0x08 if present else 0)
        for pid in self._released:
            self.send(wire.acknowledgement(wire.PUBREL, pid))
        self.pump()

    def pump(self) -> None:
        """Fill the window."""
        while self.world.busy and self.ready and self.left > 0 and len(self.flight) < self.window:
            self.left -= 1
            self.publish(self._rng.choice(self.streams), self.size())

    def publish(self, stream: Stream, size: int) -> None:
        """Send one message, now or with the next connection."""
        message = self.world.ledger.create(stream, size)
        self._pid = self._pid % 65_535 + 1
        while self._pid in self.flight:
            self._pid = self._pid % 65_535 + 1
        self.flight[self._pid] = (message, False)
        if self.ready:
            self._say(self._pid, message, 0)

    def size(self) -> int:
        """Mostly small; now and then more than a page, or more than several."""
        chance = self._rng.random()
        if chance < 0.94:
            return self._rng.randint(32, 300)
        return self._rng.randint(1_000, 5_000) if chance < 0.995 else self._rng.randint(20_000, 60_000)

    def flags(self) -> int:
        """RETAIN, if so."""
        return 0

    def packet(self, first: int, body: bytes) -> None:
        kind, pid = first & 0xF0, int.from_bytes(body[:2], "big")
        message, released = self.flight.get(pid, (None, False))
        if kind == wire.PUBACK and message is not None and message.stream.qos == 1:
            self._acknowledged(message)
            del self.flight[pid]
        elif kind == wire.PUBREC and message is not None and message.stream.qos == 2:
            if not self.clean:
                self._acknowledged(message)
            if not released:
                self._released.append(pid)
            self.flight[pid] = (message, True)
            self.send(wire.acknowledgement(wire.PUBREL, pid))
        elif kind == wire.PUBCOMP and message is not None and released:
            self._acknowledged(message)
            del self.flight[pid]
            self._released.remove(pid)
        else:
            self.world.ledger.note("misspoken", f"{self.name} got {first:#x} {pid} for nothing")
        self.pump()

    def dropped(self) -> None:
        if self.clean:
            # The session ends with its connection: what was under way stays in doubt for ever.
            self.flight.clear()
            self._released.clear()

    def _acknowledged(self, message: Message) -> None:
        if message.acked == FOREVER:
            message.acked = self.world.ledger.tick()
            self.world.ledger.acks += 1

    def _say(self, pid: int, message: Message, flags: int) -> None:
        qos = message.stream.qos
        flags |= self.flags()
        self.send(wire.publish(message.stream.topic, message.payload(), qos, pid, flags))

    def _start_over(self) -> None:
        """The broker has forgotten us: what it had taken over is its business, the rest is sent as new."""
        for pid in self._released:
            del self.flight[pid]
        self._released.clear()


class Keeper(Publisher):
    """Publishes retained messages, and removes them now and then."""

    def flags(self) -> int:
        return 0x01

    def size(self) -> int:
        return 0 if self._rng.random() < 0.1 else self._rng.randint(32, 300)


class Mourned(Client):
    """A client with a will, which is new for each connection."""

    def __init__(self, world: World, name: str, stream: Stream) -> None:
        super().__init__(world, name)
        self._stream = stream
        self._will: Message | None = None

    def hello(self) -> bytes:
        self._will = self.world.ledger.create(self._stream, 64)
        self._will.asked = False
        # At QoS 1 it may leave while the disk works; a crash then makes the broker publish it as new.
        self._will.again = True
        return wire.connect(self.name, False, (self._stream.topic, self._will.payload(), self._stream.qos))

    def accepted(self, present: bool) -> None:
        assert self._will is not None
        self._will.asked = True

    def leave(self, politely: bool) -> None:
        if politely and self._will is not None:
            self._will.asked = False
        super().leave(politely)

    def packet(self, first: int, body: bytes) -> None:
        self.world.ledger.note("misspoken", f"{self.name} got {first:#x}")

    def dropped(self) -> None:
        if self._will is not None and self._will.asked:
            self._will.acked = self.world.ledger.tick()
