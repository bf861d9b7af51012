"""Just enough of the MQTT packet format to tell packets apart on the way through the proxy.

Deliberately absent: packet bodies, except a PUBLISH's or an acknowledgement's identifier.
"""

from __future__ import annotations

from dataclasses import dataclass

CONNECT = 1
CONNACK = 2
PUBLISH = 3
PUBACK = 4
PUBREC = 5
PUBREL = 6
PUBCOMP = 7
SUBSCRIBE = 8
SUBACK = 9
PINGREQ = 12
DISCONNECT = 14

NAMES = {
    CONNECT: "CONNECT",
    CONNACK: "CONNACK",
    PUBLISH: "PUBLISH",
    PUBACK: "PUBACK",
    PUBREC: "PUBREC",
    PUBREL: "PUBREL",
    PUBCOMP: "PUBCOMP",
    SUBSCRIBE: "SUBSCRIBE",
    SUBACK: "SUBACK",
    PINGREQ: "PINGREQ",
    DISCONNECT: "DISCONNECT",
}


def name(kind: int) -> str:
    """A packet type as people write it."""
    return NAMES.get(kind, f"type {kind}")


def packet_length(data: bytes | bytearray) -> int | None:
    """Whole length of the packet that `data` begins with; None while its header is incomplete."""
    remaining = 0
    for index in range(1, 5):
        if index >= len(data):
            return None
        remaining |= (data[index] & 0x7F) << (7 * (index - 1))
        if data[index] < 0x80:
            return 1 + index + remaining
    raise ValueError("a remaining length of more than four bytes")


@dataclass(frozen=True)
class Seen:
    """What the proxy remembers of one packet."""

    connection: int
    from_broker: bool
    kind: int
    dup: bool
    qos: int
    identifier: int
    head: bytes


def describe(connection: int, from_broker: bool, packet: bytes) -> Seen:
    """The facts about a whole packet that tests ask for."""
    kind, qos = packet[0] >> 4, (packet[0] >> 1) & 3
    at = 2
    while packet[at - 1] >= 0x80:
        at += 1
    identifier = 0
    if kind == PUBLISH and qos:
        at += 2 + int.from_bytes(packet[at : at + 2], "big")
    if (kind == PUBLISH and qos) or PUBACK <= kind <= 11:
        identifier = int.from_bytes(packet[at : at + 2], "big")
    dup = kind == PUBLISH and bool(packet[0] & 8)
    return Seen(connection, from_broker, kind, dup, qos, identifier, packet[:64])
