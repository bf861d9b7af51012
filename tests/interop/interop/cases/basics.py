"""Connecting, publishing and subscribing as every program does it."""

from __future__ import annotations

from ..clients.base import V31, V311, Client, ConnAck
from ..limits import Failure, check, same
from ..suite import Context, for_libraries

LONGEST = 65_535
"""Bytes that a topic may have."""


@for_libraries("connects, is told of no session, and leaves", V31, V311)
def connect_and_leave(t: Context) -> None:
    proxy = t.proxy()
    client = t.client(endpoint=proxy.endpoint)
    same(client.connect(), ConnAck(True, False, client_ack_reason(client)), "CONNACK")
    client.disconnect()
    proxy.wait_for_end()


def client_ack_reason(client: Client) -> str:
    """How the library words success."""
    return "Success" if type(client).__name__ == "PahoClient" else ""


@for_libraries("each QoS arrives once, at the lower of published and granted", V31, V311)
def every_qos(t: Context) -> None:
    publisher = t.connected()
    subscribers = [t.connected() for _ in range(3)]
    for granted, subscriber in enumerate(subscribers):
        same(subscriber.subscribe(t.topic("+"), granted), [granted], "SUBACK")
    for qos in range(3):
        publisher.publish(t.topic(f"qos{qos}"), b"a message of QoS %d" % qos, qos)
    publisher.publish(t.topic("last"), b"", 0)
    for granted, subscriber in enumerate(subscribers):
        got = sorted((m.topic, m.payload, m.qos) for m in subscriber.take(4))
        expected = [
            (t.topic(f"qos{qos}"), b"a message of QoS %d" % qos, min(qos, granted))
            for qos in range(3)
        ]
        same(got, sorted([*expected, (t.topic("last"), b"", 0)]), f"granted {granted}")
        check(subscriber.inbox.waiting() == 0, "a message came twice")


@for_libraries("a message reaches its own publisher too")
def own_message(t: Context) -> None:
    client = t.connected()
    client.subscribe(t.topic("own"), 1)
    client.publish(t.topic("own"), b"mine", 1)
    same(client.take_payloads(), [b"mine"], "payloads")


@for_libraries("payloads of all byte values and of none arrive unchanged", V31, V311)
def binary_payloads(t: Context) -> None:
    publisher, subscriber = t.connected(), t.connected()
    subscriber.subscribe(t.topic("binary"), 2)
    payloads = [bytes(range(256)), b"", b"\0", bytes(range(255, -1, -1)) * 20, b"\xff\xfe"]
    for qos in range(3):
        for payload in payloads:
            publisher.publish(t.topic("binary"), payload, qos)
        same(subscriber.take_payloads(len(payloads)), payloads, f"payloads of QoS {qos}")


@for_libraries("topics in UTF-8, with blanks and with empty levels arrive unchanged", V31, V311)
def utf8_topics(t: Context) -> None:
    publisher, subscriber = t.connected(), t.connected()
    subscriber.subscribe(t.topic("#"), 1)
    names = [
        "Grüße/aus/Köln",
        "日本/東京/気温",
        "emoji/🌡️/🏠",
        " blanks / inside ",
        "empty//levels/",
        "combining/e\u0301",
        "right-to-left/שלום",
    ]
    for name in names:
        publisher.publish(t.topic(name), name.encode(), 1)
    got = [(m.topic, m.payload) for m in subscriber.take(len(names))]
    same(got, [(t.topic(name), name.encode()) for name in names], "topics and payloads")


@for_libraries("a topic of 65,535 bytes is accepted and delivered")
def longest_topic(t: Context) -> None:
    publisher, subscriber = t.connected(), t.connected()
    topic = t.topic("long/").ljust(LONGEST, "x")
    same(subscriber.subscribe(topic, 1), [1], "SUBACK")
    publisher.publish(topic, b"far", 1)
    same([(m.topic == topic, m.payload) for m in subscriber.take(1)], [(True, b"far")], "message")


@for_libraries("wildcards match levels, and only what they should")
def wildcards(t: Context) -> None:
    publisher, subscriber = t.connected(), t.connected()
    subscriber.subscribe([t.topic("a/+/c"), t.topic("deep/#")], 1)
    for rest in ("a/c", "a/b/c", "a/b/d", "a//c", "a/b/c/d", "deep", "deep/1/2/3", "deeper"):
        publisher.publish(t.topic(rest), b"", 1)
    subscriber.subscribe(t.topic("fence"), 1)
    publisher.publish(t.topic("fence"), b"", 1)
    expected = ["a/b/c", "a//c", "deep", "deep/1/2/3", "fence"]
    got = [m.topic for m in subscriber.take(len(expected))]
    same(got, [t.topic(rest) for rest in expected], "topics")


@for_libraries("after UNSUBSCRIBE nothing more comes", V31, V311)
def unsubscribe(t: Context) -> None:
    publisher, subscriber = t.connected(), t.connected()
    subscriber.subscribe([t.topic("a"), t.topic("b")], 1)
    publisher.publish(t.topic("a"), b"1", 1)
    same(subscriber.take_payloads(), [b"1"], "before")
    subscriber.unsubscribe(t.topic("a"))
    publisher.publish(t.topic("a"), b"2", 1)
    publisher.publish(t.topic("b"), b"3", 1)
    same(subscriber.take_payloads(), [b"3"], "after")


@for_libraries("a wildcard filter and an exact one that overlap bring each message once")
def overlap(t: Context) -> None:
    publisher, subscriber = t.connected(), t.connected()
    subscriber.subscribe(t.topic("one"), 2)
    subscriber.subscribe(t.topic("#"), 0)
    publisher.publish(t.topic("one"), b"first", 2)
    publisher.publish(t.topic("one"), b"second", 2)
    got = [(m.payload, m.qos) for m in subscriber.take(2)]
    same(got, [(b"first", 2), (b"second", 2)], "messages")


@for_libraries("order is kept over 500 messages of each QoS")
def order(t: Context) -> None:
    publisher, subscriber = t.connected(), t.connected()
    for qos in range(3):
        subscriber.subscribe(t.topic(f"order{qos}"), qos)
        expected = [b"%d" % number for number in range(500)]
        pending = [publisher.start_publish(t.topic(f"order{qos}"), p, qos, False) for p in expected]
        for one in pending:
            one.wait()
        same(subscriber.take_payloads(500), expected, f"QoS {qos}")


@for_libraries("1,000 topics: each subscriber of one gets its own, a wildcard gets all", V31, V311)
def thousand_topics(t: Context) -> None:
    publisher, each, every = t.connected(), t.connected(), t.connected()
    topics = [t.topic(f"t/{number}") for number in range(1000)]
    for start in range(0, 1000, 100):
        same(each.subscribe(topics[start : start + 100], 1), [1] * 100, "SUBACK")
    every.subscribe(t.topic("t/+"), 0)
    pending = [publisher.start_publish(topic, topic.encode(), 1, False) for topic in topics]
    for one in pending:
        one.wait()
    for subscriber in (each, every):
        got = [(m.topic, m.payload.decode()) for m in subscriber.take(1000)]
        same(got, [(topic, topic) for topic in topics], "messages")


@for_libraries("a user name and a password do no harm on loopback", V31, V311)
def user_name(t: Context) -> None:
    client = t.connected(user_name="Jürgen", password="geheim: äöü")
    client.subscribe(t.topic("user"), 1)
    client.publish(t.topic("user"), b"hello", 1)
    same(client.take_payloads(), [b"hello"], "payloads")


@for_libraries("IPv6 loopback works like IPv4")
def ipv6(t: Context) -> None:
    end = t.broker.ipv6
    if end is None:
        print("SKIPPED  IPv6: this host or broker has none", flush=True)
        return
    subscriber, publisher = t.connected(endpoint=end), t.connected()
    subscriber.subscribe(t.topic("v6"), 2)
    publisher.publish(t.topic("v6"), b"from 127.0.0.1 to ::1", 2)
    same(subscriber.take_payloads(), [b"from 127.0.0.1 to ::1"], "payloads")


@for_libraries("a client without an identifier gets one, and two of them do not collide")
def empty_identifier(t: Context) -> None:
    clients = [t.connected(client_id="") for _ in range(2)]
    for client in clients:
        client.subscribe(t.topic("anonymous"), 1)
    clients[0].publish(t.topic("anonymous"), b"all", 1)
    for client in clients:
        same(client.take_payloads(), [b"all"], "payloads")


@for_libraries("an empty identifier with a persistent session is refused")
def empty_identifier_persistent(t: Context) -> None:
    try:
        answer = t.client(client_id="", clean=False).try_connect()
    except (Failure, ValueError):
        return  # The library does not even try.
    check(not answer.accepted, "the broker accepted it")


@for_libraries("the $SYS tree says which broker this is, and # does not show it")
def sys_tree(t: Context) -> None:
    client = t.connected()
    client.subscribe("$SYS/broker/version", 0)
    got = client.take(1)[0]
    check(got.topic == "$SYS/broker/version" and got.size > 0, f"got {got}")
