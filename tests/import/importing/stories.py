"""What is done with Mosquitto, and what burgee owes afterwards.

What must hold: a story uses client identifiers and topics that begin with its name, so that all can share one broker.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

from crash import wire

from .client import Client, expect, same

Half = Callable[["Brokers"], None]


@dataclass
class Brokers:
    """How to reach the one that runs."""

    port: int

    def client(self, client_id: str, clean: bool = False, version: int = 4) -> Client:
        """A connection to it."""
        return Client(self.port, client_id, clean, version)


STORIES: dict[str, tuple[Half, Half]] = {}


def story(name: str) -> Callable[[type], type]:
    """A class with the two halves `before` and `after`."""

    def add(halves: type) -> type:
        STORIES[name] = (halves.before, halves.after)
        return halves

    return add


def noise(size: int, seed: object) -> bytes:
    """Bytes that are no text, the same for the same seed."""
    return hashlib.shake_256(repr(seed).encode()).digest(size)


def pid(number: int) -> bytes:
    """The body of an acknowledgement."""
    return struct.pack(">H", number)


@story("many")
class Many:
    """A long queue of QoS 1 and 2 on many topics, with payloads of all sizes, for several sessions."""

    COUNT = 400
    FILTERS = {"many-a": ("many/#", 2), "many-b": ("many/+/x", 2), "many-c": ("many/#", 1)}

    @classmethod
    def messages(cls) -> list[tuple[str, bytes, int]]:
        sizes = [0, 1, 17, 300, 5_000, 130_000]
        return [
            (f"many/{n % 37}/{'x' if n % 3 else 'ü/y'}", noise(sizes[n % len(sizes)], n), 1 + n % 2)
            for n in range(cls.COUNT)
        ]

    @classmethod
    def before(cls, brokers: Brokers) -> None:
        for name, (topic_filter, qos) in cls.FILTERS.items():
            client = brokers.client(name)
            client.subscribe(topic_filter, qos)
            client.leave()
        publisher = brokers.client("many-publisher", clean=True)
        for topic, payload, qos in cls.messages():
            publisher.publish(topic, payload, qos)
        publisher.leave()

    @classmethod
    def after(cls, brokers: Brokers) -> None:
        for name, (topic_filter, granted) in cls.FILTERS.items():
            client = brokers.client(name)
            expect(client.present, f"{name}: no session")
            owed = [
                (topic, payload, min(qos, granted))
                for topic, payload, qos in cls.messages()
                if topic_filter.endswith("#") or topic.endswith("/x")
            ]
            for number, (topic, payload, qos) in enumerate(owed):
                got = client.take()
                same((got.topic, got.payload, got.qos, got.retain), (topic, payload, qos, False), f"{name} {number}")
            client.nothing_more()
            client.leave()


@story("sent")
class Sent:
    """QoS 2 deliveries that were sent, and not answered: the same identifiers come again, with DUP."""

    seen: list[int] = []

    @classmethod
    def before(cls, brokers: Brokers) -> None:
        client = brokers.client("sent-client")
        client.subscribe("sent/#", 2)
        publisher = brokers.client("sent-publisher", clean=True)
        for n in range(3):
            publisher.publish(f"sent/{n}", noise(20, n), 2)
        cls.seen = [client.message().pid for _ in range(3)]
        client.lose()
        publisher.publish("sent/later", b"later", 2)
        publisher.leave()

    @classmethod
    def after(cls, brokers: Brokers) -> None:
        client = brokers.client("sent-client")
        expect(client.present, "no session")
        for n, expected in enumerate(cls.seen):
            got = client.message()
            same((got.topic, got.payload, got.qos, got.pid, got.dup), (f"sent/{n}", noise(20, n), 2, expected, True), "again")
        same(client.message().payload, b"later", "what came later")
        client.lose()
        # Seen by a receiver that remembers identifiers as duplicates; now answered to the end.
        client = brokers.client("sent-client")
        for n in range(4):
            got = client.take()
            expect(got.dup, f"{n} without DUP")
        client.nothing_more()
        client.leave()


@story("released")
class Released:
    """QoS 2 deliveries whose PUBREC came: PUBREL comes again, PUBLISH does not."""

    seen: list[int] = []

    @classmethod
    def before(cls, brokers: Brokers) -> None:
        client = brokers.client("released-client")
        client.subscribe("released/#", 2)
        publisher = brokers.client("released-publisher", clean=True)
        cls.seen = []
        for n in range(2):
            publisher.publish(f"released/{n}", b"once", 2)
            got = client.message()
            client.send(wire.acknowledgement(wire.PUBREC, got.pid))
            same(client.answer(wire.PUBREL), pid(got.pid), "PUBREL")
            cls.seen.append(got.pid)
        client.lose()
        publisher.leave()

    @classmethod
    def after(cls, brokers: Brokers) -> None:
        client = brokers.client("released-client")
        expect(client.present, "no session")
        for expected in cls.seen:
            same(client.answer(wire.PUBREL), pid(expected), "PUBREL again")
        for expected in cls.seen:
            client.send(wire.acknowledgement(wire.PUBCOMP, expected))
        client.nothing_more()
        client.leave()


@story("held")
class Held:
    """QoS 2 messages that a publisher has sent and not released: handed on once, whatever the publisher does next."""

    @classmethod
    def before(cls, brokers: Brokers) -> None:
        receiver = brokers.client("held-receiver")
        receiver.subscribe("held/#", 2)
        receiver.leave()
        lesser = brokers.client("held-lesser")
        lesser.subscribe("held/+", 1)
        lesser.leave()
        publisher = brokers.client("held-publisher")
        publisher.publish("held/before", b"before", 1)
        for n, number in enumerate((77, 78)):
            publisher.send(wire.publish(f"held/{n}", noise(40, n), 2, number, 1))
            same(publisher.answer(wire.PUBREC), pid(number), "PUBREC")
        publisher.lose()

    @classmethod
    def after(cls, brokers: Brokers) -> None:
        publisher = brokers.client("held-publisher")
        expect(publisher.present, "no session")
        # One is sent again as if PUBREC had been lost, the other is released at once.
        publisher.send(wire.publish("held/0", noise(40, 0), 2, 77, 8 | 1))
        same(publisher.answer(wire.PUBREC), pid(77), "PUBREC")
        for number in (77, 78):
            publisher.send(wire.acknowledgement(wire.PUBREL, number))
            same(publisher.answer(wire.PUBCOMP), pid(number), "PUBCOMP")
        owed = [("held/before", b"before", 1), ("held/0", noise(40, 0), 2), ("held/1", noise(40, 1), 2)]
        for name, granted in (("held-receiver", 2), ("held-lesser", 1)):
            client = brokers.client(name)
            for topic, payload, qos in owed:
                got = client.take()
                same((got.topic, got.payload, got.qos, got.retain), (topic, payload, min(qos, granted), False), name)
            client.nothing_more()
            client.leave()
        reader = brokers.client("held-reader", clean=True)
        reader.subscribe("held/#", 1)
        kept = sorted((got.topic, got.payload, got.retain) for got in (reader.take(), reader.take()))
        same(kept, [("held/0", noise(40, 0), True), ("held/1", noise(40, 1), True)], "retained when taken")
        reader.nothing_more()
        publisher.leave()


@story("unsure")
class Unsure:
    """QoS 1 deliveries without an answer: they come again, with DUP."""

    @classmethod
    def before(cls, brokers: Brokers) -> None:
        client = brokers.client("unsure-client", version=3)
        client.subscribe("unsure", 1)
        publisher = brokers.client("unsure-publisher", clean=True)
        for n in range(5):
            publisher.publish("unsure", bytes([n]), 1)
        for _ in range(2):
            client.message()
        client.lose()
        publisher.leave()

    @classmethod
    def after(cls, brokers: Brokers) -> None:
        client = brokers.client("unsure-client", version=3)
        for n in range(5):
            got = client.take()
            same((got.payload, got.qos), (bytes([n]), 1), "in order")
            expect(got.dup or n >= 2, f"{n} was sent before, and comes without DUP")
        client.nothing_more()
        client.leave()


@story("retained")
class Retained:
    """Retained messages: as they were last set; removed ones are gone; QoS 0, 1 and 2."""

    COUNT = 60

    @classmethod
    def before(cls, brokers: Brokers) -> None:
        publisher = brokers.client("retained-publisher", clean=True)
        for n in range(cls.COUNT):
            publisher.publish(f"retained/{n}", b"old", 1, retain=True)
        for n in range(0, cls.COUNT, 2):
            publisher.publish(f"retained/{n}", noise(n * 50 + 1, n), n % 3, retain=True)
        for n in range(0, cls.COUNT, 5):
            publisher.publish(f"retained/{n}", b"", 1, retain=True)
        publisher.leave()

    @classmethod
    def after(cls, brokers: Brokers) -> None:
        owed = {}
        for n in range(cls.COUNT):
            if n % 5:
                owed[f"retained/{n}"] = (noise(n * 50 + 1, n), n % 3) if n % 2 == 0 else (b"old", 1)
        client = brokers.client("retained-reader", clean=True)
        client.subscribe("retained/#", 2)
        found = {}
        for _ in owed:
            got = client.take()
            expect(got.retain, f"{got.topic} without RETAIN")
            found[got.topic] = (got.payload, got.qos)
        same(found, owed, "retained")
        client.nothing_more()
        client.leave()


@story("behind")
class Behind:
    """Retained messages, older than what they wait behind, and still in order, with RETAIN set."""

    @classmethod
    def before(cls, brokers: Brokers) -> None:
        publisher = brokers.client("behind-publisher", clean=True)
        publisher.publish("behind/kept", b"kept", 1, retain=True)
        client = brokers.client("behind-client")
        client.subscribe("behind/live", 1)
        publisher.publish("behind/live", b"1", 1)
        expect(client.message().payload == b"1", "not the first")
        client.subscribe("behind/kept", 1)
        expect(client.message().retain, "not the retained one")
        publisher.publish("behind/live", b"2", 1)
        expect(client.message().payload == b"2", "not the second")
        client.lose()
        publisher.leave()

    @classmethod
    def after(cls, brokers: Brokers) -> None:
        client = brokers.client("behind-client")
        came = [(got.payload, got.retain) for got in (client.take(), client.take(), client.take())]
        same(came, [(b"1", False), (b"kept", True), (b"2", False)], "in order")
        client.nothing_more()
        client.leave()


@story("still")
class Still:
    """Subscriptions go on; a session without any is there; clean ones are not."""

    @classmethod
    def before(cls, brokers: Brokers) -> None:
        for name, topic_filter in (("still-a", "still/#"), ("still-b", "still/+/deep"), ("still-bare", "")):
            client = brokers.client(name)
            if topic_filter:
                client.subscribe(topic_filter, 1)
            client.leave()
        client = brokers.client("still-clean", clean=True)
        client.subscribe("still/#", 1)
        client.lose()

    @classmethod
    def after(cls, brokers: Brokers) -> None:
        publisher = brokers.client("still-publisher", clean=True)
        publisher.publish("still/1/deep", b"new", 1)
        for name, count in (("still-a", 1), ("still-b", 1), ("still-bare", 0)):
            client = brokers.client(name)
            expect(client.present, f"{name}: no session")
            for _ in range(count):
                same(client.take().payload, b"new", name)
            client.nothing_more()
            client.leave()
        client = brokers.client("still-clean")
        expect(not client.present, "a clean session came back")
        client.nothing_more()
        client.leave()
        publisher.leave()
