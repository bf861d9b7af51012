"""Shared subscriptions: each message to one member of the group."""

from __future__ import annotations

from itertools import chain

from ..clients.base import V31, V311, Client
from ..limits import check, same
from ..suite import MQTTJS, PAHO, Context, for_libraries, single

MESSAGES = 300
FENCE = b"fence"


def until_fence(member: Client) -> list[bytes]:
    """What a member got before the fence."""
    got: list[bytes] = []
    while (payload := member.take_payloads()[0]) != FENCE:
        got.append(payload)
    return got


def spread(t: Context, members: list[Client], qos: int) -> None:
    """Publish to the group and count."""
    publisher, plain = t.connected(), t.connected()
    plain.subscribe(t.topic("work/+"), qos)
    for member in members:
        member.subscribe(["$share/crew/" + t.topic("work/+"), t.topic("fence")], qos)
    expected = [b"%d" % number for number in range(MESSAGES)]
    pending = [
        publisher.start_publish(t.topic(f"work/{number % 7}"), payload, qos, False)
        for number, payload in enumerate(expected)
    ]
    for one in pending:
        one.wait()
    publisher.publish(t.topic("fence"), FENCE, qos)
    shares = [until_fence(member) for member in members]
    sizes = [len(share) for share in shares]
    same(
        sorted(chain.from_iterable(shares)), sorted(expected), f"all shares together, sizes {sizes}"
    )
    check(min(sizes) > 0, f"a member got nothing: {sizes}")
    same(plain.take_payloads(MESSAGES), expected, "a subscriber outside the group")


@for_libraries("$share: three members get each message of QoS 1 and 2 exactly once", V31, V311)
def three_members(t: Context) -> None:
    for qos in (1, 2):
        members = [t.connected() for _ in range(3)]
        spread(t, members, qos)
        for member in members:
            member.disconnect()


@single("$share: paho and MQTT.js in one group get each message exactly once")
def mixed_group(t: Context) -> None:
    spread(t, [t.connected(library) for library in (PAHO, MQTTJS, PAHO, MQTTJS)], 1)


@for_libraries("$share: two groups get each message each, and who is left gets the rest")
def groups(t: Context) -> None:
    publisher, leaving = t.connected(), t.connected()
    staying, other = t.connected(), t.connected()
    for group, client in (("a", leaving), ("a", staying), ("b", other)):
        client.subscribe([f"$share/{group}/" + t.topic("work"), t.topic("fence")], 1)
    publisher.publish(t.topic("work"), b"1", 1)
    leaving.disconnect()
    publisher.publish(t.topic("work"), b"2", 1)
    publisher.publish(t.topic("work"), b"3", 1)
    publisher.publish(t.topic("fence"), FENCE, 1)
    same(until_fence(staying)[-2:], [b"2", b"3"], "who stayed")
    same(until_fence(other), [b"1", b"2", b"3"], "the other group")
