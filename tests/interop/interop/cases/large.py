"""Payloads of 1 MiB and 16 MiB."""

from __future__ import annotations

from ..clients.base import V31, V311
from ..limits import check, pattern, same
from ..suite import Context, for_libraries

MIB = 1 << 20


@for_libraries("16 MiB arrive unchanged at QoS 1 and 2")
def sixteen_mib(t: Context) -> None:
    publisher, subscriber = t.connected(), t.connected()
    subscriber.subscribe(t.topic("large"), 2)
    payload = pattern(16 * MIB, "sixteen")
    for qos in (1, 2):
        publisher.publish(t.topic("large"), payload, qos)
        message = subscriber.take(1)[0]
        same((message.size, message.qos), (16 * MIB, qos), "size and QoS")
        check(message.carries(payload), "the payload was changed")


@for_libraries("1 MiB arrives unchanged at each QoS", V31, V311)
def one_mib(t: Context) -> None:
    publisher, subscriber = t.connected(), t.connected()
    subscriber.subscribe(t.topic("large"), 2)
    payload = pattern(MIB, "one")
    for qos in range(3):
        publisher.publish(t.topic("large"), payload, qos)
        message = subscriber.take(1)[0]
        same((message.size, message.qos), (MIB, qos), "size and QoS")
        check(message.carries(payload), "the payload was changed")


@for_libraries("1 MiB is kept as a retained message and for a client that is away")
def one_mib_kept(t: Context) -> None:
    publisher, away = t.connected(), t.client(clean=False)
    away.connect()
    away.subscribe(t.topic("kept"), 1)
    away.disconnect()
    payload = pattern(MIB, "kept")
    publisher.publish(t.topic("kept"), payload, 1, retain=True)
    back, late = t.client(client_id=away.options.client_id, clean=False), t.connected()
    back.connect()
    late.subscribe(t.topic("kept"), 1)
    for client, retain in ((back, False), (late, True)):
        message = client.take(1)[0]
        check(message.carries(payload), "the payload was changed")
        same(message.retain, retain, "RETAIN")
    publisher.publish(t.topic("kept"), b"", 1, retain=True)
