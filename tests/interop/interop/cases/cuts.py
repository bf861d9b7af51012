"""Connections cut in the middle of QoS 1 and QoS 2, at every packet of the exchange.

The named packet is lost on its way. The library reconnects by itself, and in the end the
message must be there: exactly once for QoS 2, at least once for QoS 1.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import wire
from ..clients.base import V31, V311
from ..limits import WAIT, check, same
from ..proxy import Cut, Proxy
from ..suite import Context, for_libraries

# (label, kind, sent by the sender of the message, half of it arrives)
EXCHANGE = (
    ("PUBLISH is lost", wire.PUBLISH, True, False),
    ("half of PUBLISH arrives", wire.PUBLISH, True, True),
    ("PUBREC is lost", wire.PUBREC, False, False),
    ("PUBREL is lost", wire.PUBREL, True, False),
    ("PUBCOMP is lost", wire.PUBCOMP, False, False),
)


def to_broker(t: Context, kind: int, by_sender: bool, half: bool, reset: bool) -> None:
    """Publish through a proxy that cuts; a subscriber elsewhere counts."""
    subscriber, proxy = t.connected(), t.proxy()
    subscriber.subscribe(t.topic("cut"), 2)
    publisher = t.connected(endpoint=proxy.endpoint, clean=False, reconnect=True)
    cut = proxy.cut_at(Cut(kind, not by_sender, half=half, reset=reset))
    publisher.publish(t.topic("cut"), b"the message", 2)
    check(cut.happened.is_set(), f"no cut at {cut}")
    # MQTT 3.1 has no session present flag: the bit is reserved there.
    same(publisher.reconnected().session_present or t.version == V31, True, "session present")
    publisher.publish(t.topic("cut"), b"the next", 2)
    same(subscriber.take_payloads(2), [b"the message", b"the next"], f"after a cut at {cut}")


def to_subscriber(t: Context, kind: int, by_sender: bool, half: bool, reset: bool) -> None:
    """Subscribe through a proxy that cuts; the publisher is elsewhere."""
    publisher, proxy = t.connected(), t.proxy()
    subscriber = t.connected(endpoint=proxy.endpoint, clean=False, reconnect=True)
    subscriber.subscribe(t.topic("cut"), 2)
    cut = proxy.cut_at(Cut(kind, by_sender, half=half, reset=reset))
    publisher.publish(t.topic("cut"), b"the message", 2)
    check(cut.happened.wait(WAIT), f"no cut at {cut}")
    subscriber.reconnected()
    publisher.publish(t.topic("cut"), b"the next", 2)
    same(subscriber.take_payloads(2), [b"the message", b"the next"], f"after a cut at {cut}")
    same(subscriber.inbox.waiting(), 0, "messages too many")
    check_resent(proxy, kind)


def check_resent(proxy: Proxy, kind: int) -> None:
    """The broker resends under the same identifier, with DUP on a PUBLISH."""
    publishes = [s for s in proxy.seen() if s.from_broker and s.kind == wire.PUBLISH]
    first = publishes[0]
    again = [s for s in publishes[1:] if s.dup and s.identifier == first.identifier]
    if kind in (wire.PUBLISH, wire.PUBREC):
        check(bool(again), "the broker did not send PUBLISH again under its identifier with DUP")
    else:
        check(not again, "the broker sent PUBLISH again after PUBREC")
        rels = [s for s in proxy.seen() if s.from_broker and s.kind == wire.PUBREL]
        check(
            any(s.connection > 0 and s.identifier == first.identifier for s in rels),
            "the broker did not send PUBREL again",
        )


def register() -> None:
    """One test for each packet of the exchange, in both directions."""
    for label, kind, by_sender, half in EXCHANGE:
        for way, body in (
            ("publisher to broker", to_broker),
            ("broker to subscriber", to_subscriber),
        ):
            for how, reset in (("FIN", False), ("RST", True)):

                def test(
                    t: Context,
                    body: Callable[..., None] = body,
                    given: tuple[int, bool, bool, bool] = (kind, by_sender, half, reset),
                ) -> None:
                    body(t, *given)

                versions = (V311,) if reset else (V31, V311)
                for_libraries(f"QoS 2 cut, {way}, {label} ({how})", *versions)(test)


register()


@for_libraries("QoS 1 cut, publisher to broker: PUBACK is lost and the message comes at least once")
def qos1_to_broker(t: Context) -> None:
    subscriber, proxy = t.connected(), t.proxy()
    subscriber.subscribe(t.topic("cut"), 1)
    publisher = t.connected(endpoint=proxy.endpoint, clean=False, reconnect=True)
    cut = proxy.cut_at(Cut(wire.PUBACK, True))
    publisher.publish(t.topic("cut"), b"the message", 1)
    check(cut.happened.is_set(), "no cut")
    publisher.publish(t.topic("cut"), b"the next", 1)
    # [MQTT-4.3.2-2] allows no guess: the broker has owned it twice, so it delivers it twice.
    got = subscriber.take_payloads(3)
    same(got, [b"the message", b"the message", b"the next"], "payloads")


@for_libraries("QoS 1 cut, broker to subscriber: PUBACK is lost and the message comes again, DUP")
def qos1_to_subscriber(t: Context) -> None:
    publisher, proxy = t.connected(), t.proxy()
    subscriber = t.connected(endpoint=proxy.endpoint, clean=False, reconnect=True)
    subscriber.subscribe(t.topic("cut"), 1)
    cut = proxy.cut_at(Cut(wire.PUBACK, False))
    publisher.publish(t.topic("cut"), b"the message", 1)
    check(cut.happened.wait(WAIT), "no cut")
    subscriber.reconnected()
    publisher.publish(t.topic("cut"), b"the next", 1)
    got = subscriber.take_payloads(3)
    same(got, [b"the message", b"the message", b"the next"], "payloads")
    again = [s for s in proxy.seen() if s.from_broker and s.kind == wire.PUBLISH][1]
    check(again.dup, "sent again without DUP")


@for_libraries("QoS 2 cut in the middle of 200 messages, both ways at once, exactly once")
def many(t: Context) -> None:
    inward, outward = t.proxy(), t.proxy()
    subscriber = t.connected(endpoint=outward.endpoint, clean=False, reconnect=True)
    subscriber.subscribe(t.topic("many"), 2)
    publisher = t.connected(endpoint=inward.endpoint, clean=False, reconnect=True)
    cuts = [
        inward.cut_at(Cut(wire.PUBREC, True, nth=50)),
        outward.cut_at(Cut(wire.PUBCOMP, False, nth=80)),
    ]
    expected = [b"%d" % number for number in range(200)]
    pending = [publisher.start_publish(t.topic("many"), one, 2, False) for one in expected]
    for one in pending:
        one.wait()
    publisher.publish(t.topic("many"), b"last", 2)
    got = subscriber.take_payloads(201)
    same(sorted(got), sorted([*expected, b"last"]), "payloads, exactly once")
    check(all(cut.happened.is_set() for cut in cuts), "a cut did not happen")
