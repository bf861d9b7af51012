"""Clients that receive.

What must hold: of QoS 2 an identifier is remembered from PUBLISH to PUBREL, over any number of connections, as the
standard's method A says; acknowledgements leave in the order in which their packets came.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from . import wire
from .clients import Client, World
from .ledger import FOREVER, Interest, Life, Message, Stream
from .loop import Loop


@dataclass
class Held:
    """A QoS 2 message under way, or one whose PUBCOMP is still unsaid."""

    message: Message
    released: bool = False


class Subscriber(Client):
    """A persistent session with subscriptions. With a pause, it acknowledges late and some at a time."""

    def __init__(self, world: World, name: str, wishes: list[tuple[str, int]], pause: float = 0.0) -> None:
        super().__init__(world, name)
        self.wishes = wishes
        self.pause = pause
        self.life = self._born()
        self.held: dict[int, Held] = {}
        self._late: deque[tuple[int, int]] = deque()
        self._timing = False
        self._pid = 0
        self._asked: dict[int, tuple[Interest, bool]] = {}

    @property
    def subscribed(self) -> bool:
        """Whether everything wished for was granted once."""
        active = [one for one in self.life.interests if one.granted < FOREVER and one.ended == FOREVER]
        return len(active) >= len(self.wishes)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self.held and not self._late

    def drained(self, last: list[Message]) -> bool:
        """Whether the last message of every stream that it wants has come, and nothing is under way."""
        came = self.life.came
        return self.idle and all(one.number in came or not self.life.demands(one) for one in last)

    def accepted(self, present: bool) -> None:
        if not present:
            self._forget()
            if self.life.waived:
                self.begin_anew()
        if self.clean:
            return
        for interest in self.life.interests:
            self._settle(interest, present)
        if not self.life.interests:
            self.wish()

    def wish(self) -> None:
        """Ask for what is wished for and was not asked for yet."""
        here = {one.topic_filter for one in self.life.interests if one.ended == FOREVER}
        for topic_filter, qos in self.wishes:
            if topic_filter not in here:
                streams = self.world.ledger.matching(topic_filter)
                interest = Interest(topic_filter, qos, streams, self.world.ledger.tick())
                self.life.interests.append(interest)
                self._ask(interest, False)

    def toggle(self) -> None:
        """Unsubscribe from everything, or subscribe to it again: the other of what is so now, once that is certain."""
        interests = self.life.interests
        if not self.ready or any(one.granted == FOREVER or one.ended < FOREVER == one.gone for one in interests):
            return
        active = [one for one in interests if one.ended == FOREVER]
        for interest in active:
            interest.ended = self.world.ledger.tick()
            self._ask(interest, True)
        if not active:
            self.wish()

    def begin_anew(self) -> None:
        """The session is gone for certain."""
        self.life.waived = True
        self.life = self._born()
        self._forget()

    def packet(self, first: int, body: bytes) -> None:
        kind = first & 0xF0
        if kind == wire.PUBLISH:
            self._publish(first, body)
        elif kind == wire.PUBREL:
            pid = int.from_bytes(body, "big")
            if pid in self.held:
                self.held[pid].released = True
            self._answer(wire.PUBCOMP, pid)
        elif kind in (wire.SUBACK, wire.UNSUBACK):
            self._granted(kind, body)
        elif kind != wire.PINGRESP:
            self.world.ledger.note("misspoken", f"{self.name} got {first:#x}")

    def dropped(self) -> None:
        # What was not acknowledged comes again; what was released, too, as PUBREL.
        self._late.clear()
        self._asked.clear()

    def _publish(self, first: int, body: bytes) -> None:
        ledger = self.world.ledger
        topic, pid, payload = wire.opened(first, body)
        qos = first >> 1 & 3
        message = ledger.read(topic, payload)
        if message is None:
            ledger.note("corrupted", f"{self.name} got {len(payload)} bytes at {topic}")
            return
        held = self.held.get(pid)
        if held is not None and (qos != 2 or held.released or held.message is not message):
            ledger.note("reused", f"{self.name}: {pid} belongs to {held.message}, and came with {message}")
        elif held is not None:
            if not first & 0x08:
                ledger.note("misspoken", f"{self.name} got {message} again without DUP")
            self._answer(wire.PUBREC, pid)
            return
        ledger.take(self.life, message, qos, bool(first & 0x08))
        if qos == 1:
            self._answer(wire.PUBACK, pid)
        elif qos == 2:
            self.held[pid] = Held(message)
            self._answer(wire.PUBREC, pid)

    def _granted(self, kind: int, body: bytes) -> None:
        ledger = self.world.ledger
        interest, ending = self._asked.pop(int.from_bytes(body[:2], "big"), (None, False))
        if interest is None or ending != (kind == wire.UNSUBACK):
            ledger.note("misspoken", f"{self.name} got {kind:#x} for nothing")
        elif ending:
            interest.gone = min(interest.gone, ledger.tick())
        elif body[2] == interest.qos:
            interest.granted = min(interest.granted, ledger.tick())
        else:
            ledger.note("misspoken", f"{self.name} was granted {body[2]:#x} for {interest.topic_filter}")

    def _settle(self, interest: Interest, present: bool) -> None:
        """After a loss: ask again for what was not answered, and for all that is lost with the session."""
        if interest.ended < FOREVER:
            if interest.gone == FOREVER:
                self._ask(interest, True)
        elif interest.granted == FOREVER or not present:
            self._ask(interest, False)

    def _ask(self, interest: Interest, ending: bool) -> None:
        if not self.ready:
            return
        self._pid = self._pid % 60_000 + 1
        self._asked[self._pid] = (interest, ending)
        if ending:
            self.send(wire.unsubscribe(self._pid, interest.topic_filter))
        else:
            self.send(wire.subscribe(self._pid, interest.topic_filter, interest.qos))

    def _answer(self, kind: int, pid: int) -> None:
        if self.pause == 0.0:
            self._say(kind, pid)
            return
        self._late.append((kind, pid))
        self._set_timer()

    def _say(self, kind: int, pid: int) -> None:
        self.send(wire.acknowledgement(kind, pid))
        if kind == wire.PUBCOMP:
            self.held.pop(pid, None)

    def _set_timer(self) -> None:
        if not self._timing:
            self._timing = True
            self.world.loop.later(self.pause, self._say_some)

    def _say_some(self) -> None:
        self._timing = False
        # All that has come so far, once nobody hurries any more.
        for _ in range(min(len(self._late), 5 if self.world.busy else 10_000)):
            self._say(*self._late.popleft())
        if self._late:
            self._set_timer()

    def _forget(self) -> None:
        self.held.clear()
        self._late.clear()

    def _born(self) -> Life:
        life = Life(self.name)
        self.world.ledger.lives.append(life)
        return life


class Reader(Client):
    """Reads what is retained, once, and compares it with what was acknowledged before it asked."""

    ROUNDS = 4

    def __init__(self, world: World, name: str, topic_filter: str, streams: list[Stream]) -> None:
        super().__init__(world, name, clean=True)
        self._filter = topic_filter
        self._streams = streams
        self._least: dict[int, int] = {}
        self._found: dict[int, Message] = {}
        self._rounds = 0
        self.done = False

    def accepted(self, present: bool) -> None:
        self._found.clear()
        self._rounds = 0
        for stream in self._streams:
            acked = [one.seq for one in stream.messages if one.acked < FOREVER]
            self._least[stream.number] = max(acked, default=-1)
        self.send(wire.subscribe(1, self._filter, 1))

    def packet(self, first: int, body: bytes) -> None:
        kind = first & 0xF0
        if kind == wire.PUBLISH:
            self._publish(first, body)
        elif kind in (wire.SUBACK, wire.PINGRESP):
            # They may come behind the answer: a few rounds of a ping, then they would have.
            self._rounds += 1
            if len(self._found) == len(self._streams) or self._rounds > self.ROUNDS:
                self._judge()
            else:
                self.send(wire.PINGREQ)

    def _publish(self, first: int, body: bytes) -> None:
        topic, pid, payload = wire.opened(first, body)
        if first & 0x06:
            self.send(wire.acknowledgement(wire.PUBACK, pid))
        if not first & 0x01:
            # Not retained: published meanwhile.
            return
        message = self.world.ledger.read(topic, payload)
        if message is None:
            self.world.ledger.note("corrupted", f"{len(payload)} retained bytes at {topic}")
        else:
            self._found.setdefault(message.stream.number, message)

    def _judge(self) -> None:
        for stream in self._streams:
            least, found = self._least[stream.number], self._found.get(stream.number)
            if found is not None and found.seq < least:
                why = f"{stream}: the retained message is number {found.seq}, but {least} was acknowledged"
                self.world.ledger.note("retained_lost", why)
            removed = any(one.size == 0 for one in stream.messages[max(least, 0) :])
            if found is None and least >= 0 and not removed:
                why = f"{stream}: nothing is retained, but number {least} was acknowledged"
                self.world.ledger.note("retained_lost", why)
        self.done = True
        self.leave(True)


class Habit:
    """Something that a client does again and again, at times that chance chooses, while the world is busy."""

    def __init__(self, loop: Loop, rng: random.Random, between: tuple[float, float], what: Callable[[], None]) -> None:
        self._loop = loop
        self._rng = rng
        self._between = between
        self._what = what
        self._next()

    def _next(self) -> None:
        self._loop.later(self._rng.uniform(*self._between), self._act)

    def _act(self) -> None:
        self._what()
        self._next()
