"""The judge is judged: each fault that a broker can make is found, and nothing else is."""

from __future__ import annotations

import random
import sys
import unittest

from crash import wire
from crash.clients import Publisher, World
from crash.ledger import FOREVER, Ledger, Life, Message, Stream, matches
from crash.subscribers import Reader, Subscriber


class Nowhere:
    """A loop and a connection that only remember what was said."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def send(self, data: bytes) -> None:
        """Remember it."""
        self.said.append(data)

    def abort(self) -> None:
        """Nothing to end."""

    def finish(self) -> None:
        """Nothing to end."""

    def later(self, seconds: float, action: object) -> None:
        """Never."""


class Stage:
    """A subscriber of everything and a publisher with two streams, both connected."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.link = Nowhere()
        self.world = World(self.link, self.ledger, 0)  # type: ignore[arg-type]
        self.one, self.two = self.ledger.stream("t/a", 1), self.ledger.stream("t/b", 2)
        self.publisher = Publisher(self.world, "p", [self.one, self.two], 8, random.Random(1))
        self.subscriber = Subscriber(self.world, "s", [("t/#", 2)])
        for client in (self.publisher, self.subscriber):
            self.connect(client, present=False)
        self.hear(self.subscriber, b"\x90\x03\x00\x01\x02")

    def connect(self, client: Publisher | Subscriber | Reader, present: bool) -> None:
        """A connection, up to the CONNACK."""
        client.link = self.link  # type: ignore[assignment]
        client.on_open()
        client.on_packet(wire.CONNACK, bytes([present, 0]))

    def lose(self, client: Publisher | Subscriber) -> None:
        """The connection ends."""
        client.on_closed()

    def hear(self, client: Publisher | Subscriber | Reader, packet: bytes) -> None:
        """The broker says this."""
        for first, body in wire.Inbox().packets(packet):
            client.on_packet(first, body)

    def publish(self, stream: Stream, acknowledged: bool = True) -> Message:
        """A message, acknowledged as far as it makes the broker owe it."""
        self.publisher.publish(stream, 64)
        pid = max(self.publisher.flight)
        if acknowledged:
            kind = wire.PUBACK if stream.qos == 1 else wire.PUBREC
            self.hear(self.publisher, wire.acknowledgement(kind, pid))
        return stream.messages[-1]

    def deliver(self, message: Message, pid: int, flags: int = 0) -> None:
        """The broker sends it to the subscriber."""
        stream = message.stream
        self.hear(self.subscriber, wire.publish(stream.topic, message.payload(), stream.qos, pid, flags))

    def release(self, pid: int) -> None:
        """The broker sends PUBREL."""
        self.hear(self.subscriber, wire.acknowledgement(wire.PUBREL, pid))

    def found(self) -> dict[str, int]:
        """The faults, by name."""
        counts = self.ledger.judge()
        return {name: getattr(counts, name) for name in counts.FAULTS if getattr(counts, name)}


class Judge(unittest.TestCase):
    def setUp(self) -> None:
        self.stage = Stage()

    def test_nothing_is_found_where_nothing_is_wrong(self) -> None:
        for pid, stream in enumerate((self.stage.one, self.stage.two), 1):
            self.stage.deliver(self.stage.publish(stream), pid)
        self.stage.release(2)
        self.assertEqual(self.stage.found(), {})
        self.assertTrue(self.stage.subscriber.idle)

    def test_an_acknowledged_message_that_never_comes_is_lost(self) -> None:
        for stream in (self.stage.one, self.stage.two):
            self.stage.publish(stream)
        self.assertEqual(self.stage.found(), {"lost": 2})

    def test_an_unacknowledged_message_may_come_or_not(self) -> None:
        self.stage.publish(self.stage.one, acknowledged=False)
        self.stage.deliver(self.stage.publish(self.stage.one, acknowledged=False), 1)
        self.assertEqual(self.stage.found(), {})

    def test_qos_2_may_not_come_twice_and_qos_1_may(self) -> None:
        for pid, stream in enumerate((self.stage.one, self.stage.two), 1):
            message = self.stage.publish(stream)
            self.stage.deliver(message, pid)
            self.stage.release(pid)
            self.stage.deliver(message, pid + 10, 0x08)
        self.assertEqual(self.stage.found(), {"doubled": 1})
        self.assertEqual(self.stage.ledger.counts.repeated, 1)

    def test_a_qos_2_message_sent_again_with_its_identifier_is_the_same_one(self) -> None:
        message = self.stage.publish(self.stage.two)
        self.stage.deliver(message, 7)
        self.stage.lose(self.stage.subscriber)
        self.stage.connect(self.stage.subscriber, present=True)
        self.stage.deliver(message, 7, 0x08)
        self.stage.release(7)
        self.assertEqual(self.stage.found(), {})

    def test_what_is_sent_again_says_so(self) -> None:
        for pid, stream in enumerate((self.stage.one, self.stage.two), 1):
            message = self.stage.publish(stream)
            self.stage.deliver(message, pid)
            self.stage.deliver(message, pid)
        self.assertEqual(self.stage.found(), {"misspoken": 2})

    def test_a_qos_2_message_sent_again_with_another_identifier_is_found(self) -> None:
        message = self.stage.publish(self.stage.two)
        self.stage.deliver(message, 7)
        self.stage.deliver(message, 8, 0x08)
        self.assertEqual(self.stage.found(), {"doubled": 1})

    def test_an_identifier_in_use_may_not_be_given_to_another_message(self) -> None:
        self.stage.deliver(self.stage.publish(self.stage.two), 7)
        self.stage.deliver(self.stage.publish(self.stage.two), 7)
        self.assertEqual(self.stage.found(), {"reused": 1})

    def test_an_identifier_is_in_use_until_pubcomp(self) -> None:
        self.stage.subscriber.pause = 1.0
        self.stage.deliver(self.stage.publish(self.stage.two), 7)
        self.stage.release(7)
        self.stage.deliver(self.stage.publish(self.stage.two), 7)
        self.assertEqual(self.stage.found(), {"reused": 1})

    def test_the_order_of_a_stream_counts_and_that_between_streams_does_not(self) -> None:
        first, other, second = (self.stage.publish(one) for one in (self.stage.one, self.stage.two, self.stage.one))
        for pid, message in enumerate((other, second, first), 1):
            self.stage.deliver(message, pid)
        self.assertEqual(self.stage.found(), {"disordered": 1})

    def test_changed_bytes_are_found(self) -> None:
        message = self.stage.publish(self.stage.one)
        payload = bytearray(message.payload())
        payload[-9] ^= 1
        self.stage.hear(self.stage.subscriber, wire.publish("t/a", bytes(payload), 1, 3))
        self.assertEqual(self.stage.found(), {"corrupted": 1, "lost": 1})

    def test_bytes_at_another_topic_are_found(self) -> None:
        message = self.stage.publish(self.stage.one)
        self.stage.hear(self.stage.subscriber, wire.publish("t/b", message.payload(), 1, 3))
        self.assertEqual(self.stage.found(), {"corrupted": 1, "lost": 1})

    def test_a_session_that_is_gone_is_found(self) -> None:
        self.stage.lose(self.stage.publisher)
        self.stage.connect(self.stage.publisher, present=False)
        self.assertEqual(self.stage.found(), {"sessions_lost": 1})

    def test_a_session_that_was_ended_and_is_back_is_found(self) -> None:
        subscriber = self.stage.subscriber
        self.stage.deliver(self.stage.publish(self.stage.two), 7)
        late = self.stage.publish(self.stage.one)
        self.stage.lose(subscriber)
        subscriber.clean, subscriber.life.waived = True, True
        self.stage.connect(subscriber, present=False)
        self.stage.lose(subscriber)
        subscriber.clean = False
        self.stage.connect(subscriber, present=True)
        self.stage.deliver(late, 8)
        self.assertEqual(self.stage.found(), {"sessions_raised": 1, "strayed": 1})

    def test_what_was_published_before_or_behind_a_subscription_is_not_owed(self) -> None:
        subscriber, ledger = self.stage.subscriber, self.stage.ledger
        subscriber.toggle()
        during = self.stage.publish(self.stage.one)
        self.stage.hear(subscriber, b"\xb0\x02\x00\x02")
        self.stage.deliver(during, 1)
        self.assertEqual(self.stage.found(), {})
        behind = self.stage.publish(self.stage.one)
        self.stage.deliver(behind, 2)
        self.assertEqual(self.stage.found(), {"strayed": 1})
        subscriber.toggle()
        self.assertEqual(len(subscriber.life.interests), 2)
        self.assertEqual(ledger.missing(subscriber.life), [])

    def test_a_will_is_owed_once_its_connection_is_lost(self) -> None:
        ledger = self.stage.ledger
        stream = ledger.stream("t/will", 2, will=True)
        life = Life("watcher")
        ledger.lives.append(life)
        life.interests = [interest] = [self.stage.subscriber.life.interests[0]]
        interest.streams = frozenset({stream.number})
        will = ledger.create(stream, 64)
        self.assertEqual(ledger.missing(life), [])
        will.acked = ledger.tick()
        self.assertEqual(ledger.missing(life), [will])
        ledger.take(life, will, 2, False)
        ledger.take(life, will, 2, False)
        self.assertEqual(self.stage.found()["wills_doubled"], 1)

    def test_an_older_retained_message_than_the_acknowledged_one_is_found(self) -> None:
        for found, faults in ((None, 1), (0, 1), (1, 0)):
            stage = Stage()
            kept = [stage.publish(stage.one) for _ in range(2)]
            reader = Reader(stage.world, "r", "t/a", [stage.one])
            stage.connect(reader, present=False)
            stage.hear(reader, b"\x90\x03\x00\x01\x01")
            if found is not None:
                stage.hear(reader, wire.publish("t/a", kept[found].payload(), 1, 1, 0x01))
            for _ in range(Reader.ROUNDS):
                if not reader.done:
                    stage.hear(reader, b"\xd0\x00")
            self.assertTrue(reader.done)
            self.assertEqual(stage.ledger.counts.retained_lost, faults, found)


class Sender(unittest.TestCase):
    def test_what_is_under_way_is_sent_again_in_order_with_dup_and_its_identifiers(self) -> None:
        stage = Stage()
        stage.publish(stage.one, acknowledged=False)
        stage.publish(stage.two)
        stage.publish(stage.two, acknowledged=False)
        stage.lose(stage.publisher)
        stage.link.said.clear()
        stage.connect(stage.publisher, present=True)
        packets = [packet for said in stage.link.said[1:] for packet in wire.Inbox().packets(said)]
        firsts = [first for first, _ in packets]
        self.assertEqual(firsts, [0x3A, 0x3C, 0x62])
        self.assertEqual([wire.opened(*one)[1] for one in packets[:2]], [1, 3])
        self.assertEqual(packets[2][1], b"\x00\x02")

    def test_a_clean_session_sends_nothing_again(self) -> None:
        stage = Stage()
        stage.publisher.clean = True
        message = stage.publish(stage.two)
        self.assertEqual(message.acked, FOREVER)
        stage.lose(stage.publisher)
        stage.link.said.clear()
        stage.connect(stage.publisher, present=False)
        self.assertEqual(len(stage.link.said), 1)


class Wire(unittest.TestCase):
    def test_packets_are_cut_wherever_the_bytes_are_cut(self) -> None:
        whole = wire.publish("a/b", b"x" * 300, 1, 5) + wire.acknowledgement(wire.PUBREL, 9) + wire.PINGREQ
        want = list(wire.Inbox().packets(whole))
        self.assertEqual([first for first, _ in want], [0x32, 0x62, 0xC0])
        for cut in range(len(whole)):
            inbox = wire.Inbox()
            got = [*inbox.packets(whole[:cut]), *inbox.packets(whole[cut:])]
            self.assertEqual(got, want, cut)

    def test_filters_match_as_the_standard_says(self) -> None:
        for topic_filter, topic, yes in (
            ("a/#", "a", True), ("a/#", "a/b/c", True), ("a/+", "a/b", True), ("a/+", "a", False),
            ("a/+/c", "a/b/c", True), ("a/+", "a/b/c", False), ("a/b", "a/b", True), ("#", "a", True),
        ):  # fmt: skip
            self.assertEqual(matches(topic_filter, topic), yes, (topic_filter, topic))


if __name__ == "__main__":
    unittest.main(verbosity=0 if "--quiet" in sys.argv else 1, argv=sys.argv[:1])
