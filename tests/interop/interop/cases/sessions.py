"""Sessions that outlive their connection."""

from __future__ import annotations

from ..clients.base import V31, V311, Client
from ..limits import same
from ..suite import Context, for_libraries

QUEUE = 1_000


def away(t: Context, topic: str, qos: int) -> Client:
    """A client with a persistent session that has subscribed and left."""
    client = t.client(clean=False)
    same(client.connect().session_present, False, "session present at first")
    same(client.subscribe(topic, qos), [qos], "SUBACK")
    client.disconnect()
    return client


def back(t: Context, client: Client) -> tuple[Client, bool]:
    """The same client in a new life, and whether the broker knew its session."""
    again = t.client(client_id=client.options.client_id, clean=False)
    return again, again.connect().session_present


@for_libraries("session: 1,000 messages of QoS 1 and of QoS 2 wait and come in order")
def long_queue(t: Context) -> None:
    publisher = t.connected()
    for qos in (1, 2):
        topic = t.topic(f"queue{qos}")
        subscriber = away(t, topic, qos)
        expected = [b"%d of QoS %d" % (number, qos) for number in range(QUEUE)]
        pending = [publisher.start_publish(topic, one, qos, False) for one in expected]
        for one in pending:
            one.wait()
        again, present = back(t, subscriber)
        # QoS 1 and 2 lie in one list, so what follows on the same topic shows a duplicate.
        same(present, True, "session present")
        publisher.publish(topic, b"live", qos)
        same(again.take_payloads(QUEUE + 1), [*expected, b"live"], f"QoS {qos}")
        again.disconnect()


@for_libraries("session: subscriptions and messages outlive the connection", V31, V311)
def outlives(t: Context) -> None:
    publisher = t.connected()
    subscriber = away(t, t.topic("kept"), 2)
    publisher.publish(t.topic("kept"), b"one", 1)
    publisher.publish(t.topic("kept"), b"two", 1)
    again, present = back(t, subscriber)
    # MQTT 3.1 has no session present flag: the bit is reserved there and stays 0.
    same(present or t.version == V31, True, "session present")
    publisher.publish(t.topic("kept"), b"three", 1)
    same(again.take_payloads(3), [b"one", b"two", b"three"], "payloads")


@for_libraries("session: a clean session throws the old one away", V31, V311)
def thrown_away(t: Context) -> None:
    publisher = t.connected()
    subscriber = away(t, t.topic("kept"), 1)
    publisher.publish(t.topic("kept"), b"lost", 1)
    clean = t.client(client_id=subscriber.options.client_id, clean=True)
    same(clean.connect().session_present, False, "session present with clean session")
    clean.disconnect()
    again, present = back(t, subscriber)
    same(present, False, "session present afterwards")
    again.subscribe(t.topic("fence"), 1)
    publisher.publish(t.topic("kept"), b"not subscribed any more", 1)
    publisher.publish(t.topic("fence"), b"fence", 1)
    same(again.take_payloads(), [b"fence"], "payloads")


@for_libraries("session: UNSUBSCRIBE outlives the connection too")
def unsubscribed(t: Context) -> None:
    publisher, subscriber = t.connected(), t.client(clean=False)
    subscriber.connect()
    subscriber.subscribe([t.topic("a"), t.topic("b")], 1)
    subscriber.unsubscribe(t.topic("a"))
    subscriber.disconnect()
    publisher.publish(t.topic("a"), b"a", 1)
    publisher.publish(t.topic("b"), b"b", 1)
    again, _ = back(t, subscriber)
    same(again.take_payloads(), [b"b"], "payloads")
