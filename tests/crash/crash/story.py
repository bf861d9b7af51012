"""One round: a fresh broker, a crowd of clients, kills and restarts, a drain, and the verdict.

What must hold: the seed decides everything that chance decides here (who sends what, when the broker is killed); what
the machine does meanwhile it cannot decide.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .brokers import PATIENCE, Broker
from .clients import Client, Keeper, Mourned, Probe, Publisher, World
from .ledger import FOREVER, Counts, Ledger, Message
from .loop import Loop, Stalled
from .subscribers import Habit, Reader, Subscriber

# How many messages each publisher has for the time between two kills.
SHARE = 800
# Without a packet for so long, nothing more is expected; of a broker that has promised less, somewhat earlier.
SILENCE = 10.0
SHORT_SILENCE = 3.0
# No drain takes longer.
LONGEST = 60.0


@dataclass
class Plan:
    """What a round is told."""

    seed: int
    kills: int


class Story:
    """See the module."""

    def __init__(self, broker: Broker, plan: Plan) -> None:
        self.broker = broker
        self.plan = plan
        # Two sources, so that the kills do not depend on how far the clients came.
        self.rng = random.Random(f"{plan.seed} clients")
        self.fate = random.Random(f"{plan.seed} kills")
        self.loop = Loop()
        self.ledger = Ledger()
        self.world = World(self.loop, self.ledger, broker.port)
        # Time from the start of the process to the first CONNACK, in seconds.
        self.starts: list[float] = []
        self._cast()

    def _cast(self) -> None:
        """Who takes part. All streams are there before the first filter."""
        ledger, world, rng = self.ledger, self.world, self.rng
        plain = [[ledger.stream(f"crash/{n}/{topic}", qos) for topic, qos in (("a", 1), ("b", 2))] for n in range(4)]
        # One topic with both, and a publisher of one QoS only: most of their turns look alike.
        plain[0].append(ledger.stream("crash/0/a", 2))
        plain[1] = plain[1][1:]
        self.kept = [ledger.stream(f"keep/{n}", 1 + n % 2) for n in range(6)]
        wills = [ledger.stream(f"will/{qos}", qos, will=True) for qos in (1, 2)]
        windows = [1, 8, 32, 64]
        rng.shuffle(windows)
        self.publishers = [
            Publisher(world, f"crash-pub-{n}", streams, windows[n], rng) for n, streams in enumerate(plain)
        ]
        self.publishers[3].clean = True
        self.keeper = Keeper(world, "crash-keeper", self.kept, 4, rng)
        self.mourned = [Mourned(world, f"crash-will-{one.qos}", one) for one in wills]
        everything = [("crash/#", 2), ("will/#", 2)]
        self.steady = Subscriber(world, "crash-steady", everything)
        self.away = Subscriber(world, "crash-away", everything)
        self.visitor = Subscriber(world, "crash-visitor", [("crash/+/b", 2)])
        self.slow = Subscriber(world, "crash-slow", [("crash/0/#", 2)], pause=0.01)
        self.once = Subscriber(world, "crash-once", [("crash/1/#", 1), ("crash/2/a", 1)])
        self.changer = Subscriber(world, "crash-changer", [("crash/1/#", 2)])
        self.renewed = Subscriber(world, "crash-renewed", [("crash/2/#", 2)])
        self.subscribers = [
            self.steady, self.away, self.visitor, self.slow, self.once, self.changer, self.renewed,
        ]  # fmt: skip

    def run(self) -> Counts:
        """The whole round. What cannot go on is judged as it is."""
        try:
            self._play()
        except Stalled as stalled:
            self.ledger.note("misspoken", f"nothing more came while waiting for {stalled}")
        finally:
            self.broker.kill()
            self.loop.close()
        if self.broker.promises:
            # No disk fails here: whatever it calls an error is one.
            for line in self.broker.complaints():
                self.ledger.note("errors", line)
            if damage := self.broker.whole():
                self.ledger.note("errors", damage)
        return self.ledger.judge()

    def _play(self) -> None:
        self._start()
        self._settle_in()
        self._habits()
        for kill in range(self.plan.kills):
            self._load()
            self._kill()
            if self.fate.random() < 0.3:
                self._kill_while_starting()
            self._start()
            if kill % 2:
                self._renew_or_return()
        self._drain("the drain")
        # Whatever was settled lazily may have to be said again; of QoS 2 nothing may come again.
        self._kill()
        self._start()
        self._drain("the second drain")

    def _settle_in(self) -> None:
        """Everybody is there once, and subscribed."""
        for one in self._everybody():
            one.come()
        self._wait(lambda: all(one.subscribed for one in self.subscribers), "every SUBACK")
        for one in (self.away, self.renewed):
            one.leave(True)

    def _load(self) -> None:
        """Let them publish until chance kills the broker: after a time, or after so many acknowledgements."""
        self.world.busy = True
        for one in self.publishers:
            one.left = SHARE
        self.keeper.left = SHARE // 4
        self._pump()
        if self.fate.random() < 0.5:
            self._pass(self.fate.uniform(0.02, 0.6))
        else:
            wanted = self.ledger.acks + int(10 ** self.fate.uniform(0.5, 3.3))
            self._pass(2.0, lambda: self.ledger.acks >= wanted)

    def _kill(self) -> None:
        self.broker.kill()
        self.world.up = False
        self._wait(lambda: not any(one.ready for one in self._everybody()), "connections of a killed broker to end")

    def _kill_while_starting(self) -> None:
        """Whatever it does when it starts has to bear this, too."""
        self.broker.start()
        self._pass(self.fate.uniform(0.0, 0.08))
        self.broker.kill()

    def _start(self) -> None:
        """The broker serves again, and whoever is wanted comes back, all at once."""
        begun = time.monotonic()
        self.broker.start()
        self.ledger.epoch += 1
        self.ledger.counts.restarts += 1
        there: list[float] = []
        probe = Probe(self.world, lambda: there.append(time.monotonic()))
        self.world.up = True
        probe.come()
        self._wait(lambda: bool(there) or self.broker.ended() is not None, "the broker to serve")
        if not there:
            raise Stalled(f"a broker that ended by itself with {self.broker.ended()}")
        self.starts.append(there[0] - begun)
        self._read()
        for one in self._everybody():
            if one.wanted:
                one.come()

    def _read(self) -> None:
        reader = Reader(self.world, f"crash-reader-{self.ledger.epoch}", "keep/#", self.kept)
        reader.come()
        self._wait(lambda: reader.done, "what is retained")

    def _renew_or_return(self) -> None:
        """The renewed one comes with a clean session, and leaves a new one without what the old one was owed."""
        one = self.renewed
        one.clean = True
        one.life.waived = True
        one.come()
        if self.rng.random() < 0.5:
            # Perhaps the CONNACK came before the kill, perhaps not.
            return
        self._wait(lambda: one.ready, "a clean session")
        self._new_session()

    def _new_session(self) -> None:
        one = self.renewed
        one.leave(self.rng.random() < 0.5)
        one.clean = False
        one.come()
        self._wait(lambda: one.ready and one.subscribed, "a new session")
        one.leave(True)

    def _habits(self) -> None:
        """What happens by itself while there is load."""

        def busy(action: Callable[[Any], None], *clients: Client) -> None:
            if self.world.busy and self.world.up:
                action(self.rng.choice(clients))

        def visit(one: Client) -> None:
            if one.wanted:
                one.leave(self.rng.random() < 0.5)
            else:
                one.come()

        def lose(one: Client) -> None:
            if one.ready and one.wanted:
                one.cut()

        def mourn(one: Client) -> None:
            if one.ready and self.rng.random() < 0.3:
                one.leave(True)
            one.cut()
            one.come()

        cuttable = (*self.publishers, self.steady, self.slow, self.once)
        habits = [
            ((0.02, 0.2), lambda: busy(visit, self.visitor)),
            ((0.1, 0.4), lambda: busy(lose, *cuttable)),
            ((0.05, 0.3), lambda: busy(mourn, *self.mourned)),
            ((0.03, 0.15), lambda: busy(lambda _: self.changer.toggle(), self.changer)),
        ]
        for between, what in habits:
            Habit(self.loop, self.rng, between, what)

    def _drain(self, what: str) -> None:
        """Nothing new but one last message on every stream; everybody comes and takes all that he is owed."""
        self.world.busy = False
        if self.renewed.clean:
            self.renewed.come()
            self._wait(lambda: self.renewed.ready, "a clean session")
            self._new_session()
        for one in self.mourned:
            one.leave(True)
        for one in (*self.publishers, self.keeper, *self.subscribers):
            one.come()
        senders = (*self.publishers, self.keeper)
        self._progress(lambda: all(one.ready and not one.flight for one in senders), f"acknowledgements in {what}")
        last: list[Message] = []
        for one in self.publishers:
            for stream in one.streams:
                one.publish(stream, 40)
                last.append(stream.messages[-1])
        drained = lambda: all(one.drained(last) for one in self.subscribers)  # noqa: E731
        self._progress(lambda: drained() and not any(one.flight for one in senders), f"messages in {what}")
        wills = [one for one in self.ledger.messages if one.stream.will and one.asked and one.acked < FOREVER]
        self._pass(1.0, lambda: all(one.drained(wills) for one in (self.steady, self.away)))
        self._read()

    def _everybody(self) -> list[Client]:
        return [*self.publishers, self.keeper, *self.mourned, *self.subscribers]

    def _pump(self) -> None:
        for one in (*self.publishers, self.keeper):
            one.pump()

    def _pass(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Go on for so long, or until it is enough."""
        over: list[bool] = []
        self.loop.later(seconds, lambda: over.append(True))
        self._wait(lambda: bool(over) or enough(), "time to pass")

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        self.loop.run_until(done, PATIENCE, what)

    def _progress(self, done: Callable[[], bool], what: str) -> None:
        """Wait as long as something comes, and not for ever."""
        end = time.monotonic() + LONGEST
        silence = SILENCE if self.broker.promises else SHORT_SILENCE
        while True:
            before = self.loop.packets
            try:
                self.loop.run_until(done, silence, what)
            except Stalled:
                if self.loop.packets == before or time.monotonic() > end:
                    raise
            else:
                return
