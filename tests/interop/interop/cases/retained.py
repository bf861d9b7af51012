"""Retained messages."""

from __future__ import annotations

from ..clients.base import V31, V311
from ..limits import same
from ..suite import Context, for_libraries


@for_libraries("retained: kept, marked, replaced and cleared", V31, V311)
def life_of_a_retained_message(t: Context) -> None:
    publisher, live = t.connected(), t.connected()
    topic = t.topic("kept")
    live.subscribe(topic, 1)
    publisher.publish(topic, b"old", 1, retain=True)
    publisher.publish(topic, b"new", 1, retain=True)
    got = [(m.payload, m.retain) for m in live.take(2)]
    same(got, [(b"old", False), (b"new", False)], "live")

    late = t.connected()
    late.subscribe(topic, 1)
    same([(m.payload, m.retain) for m in late.take(1)], [(b"new", True)], "late")

    publisher.publish(topic, b"passing", 1)
    same([(m.payload, m.retain) for m in late.take(1)], [(b"passing", False)], "not retained")
    publisher.publish(topic, b"", 1, retain=True)
    same([(m.payload, m.retain) for m in late.take(1)], [(b"", False)], "the clearing message")

    later = t.connected()
    later.subscribe(topic, 1)
    publisher.publish(topic, b"fence", 1)
    same(later.take_payloads(), [b"fence"], "after clearing")


@for_libraries("retained: each QoS, at the lower of stored and granted")
def retained_qos(t: Context) -> None:
    publisher = t.connected()
    for qos in range(3):
        publisher.publish(t.topic(f"kept/{qos}"), b"%d" % qos, qos, retain=True)
    publisher.publish(t.topic("done"), b"", 1)
    for granted in range(3):
        subscriber = t.connected()
        subscriber.subscribe(t.topic("kept/+"), granted)
        got = sorted((m.payload, m.qos, m.retain) for m in subscriber.take(3))
        same(got, [(b"%d" % qos, min(qos, granted), True) for qos in range(3)], f"at {granted}")


@for_libraries("retained: 1,000 topics come to one wildcard subscription")
def thousand_retained(t: Context) -> None:
    publisher, subscriber = t.connected(), t.connected()
    topics = {t.topic(f"many/{number}") for number in range(1000)}
    pending = [publisher.start_publish(topic, topic.encode(), 1, True) for topic in topics]
    for one in pending:
        one.wait()
    subscriber.subscribe(t.topic("many/#"), 1)
    got = subscriber.take(1000)
    same({m.topic for m in got}, topics, "topics")
    same({(m.retain, m.topic == m.payload.decode()) for m in got}, {(True, True)}, "messages")


@for_libraries("retained: subscribing again brings the message again, resuming does not")
def retained_again(t: Context) -> None:
    publisher, subscriber = t.connected(), t.client(clean=False)
    publisher.publish(t.topic("kept"), b"kept", 1, retain=True)
    subscriber.connect()
    for _ in range(2):
        subscriber.subscribe(t.topic("kept"), 1)
        same(subscriber.take_payloads(), [b"kept"], "at SUBSCRIBE")
    subscriber.disconnect()
    again = t.client(client_id=subscriber.options.client_id, clean=False)
    same(again.connect().session_present, True, "session present")
    publisher.publish(t.topic("kept"), b"fence", 1)
    same(again.take_payloads(), [b"fence"], "after resuming")
