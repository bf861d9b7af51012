"""The bytes of MQTT 3.1.1, as far as these tests need them.

What must hold: shares no code with the broker. Deliberately absent: user names, QoS 0 to send.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

CONNACK = 0x20
PUBLISH = 0x30
PUBACK = 0x40
PUBREC = 0x50
PUBREL = 0x60
PUBCOMP = 0x70
SUBACK = 0x90
UNSUBACK = 0xB0
PINGRESP = 0xD0

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"

_FLAGS = {PUBREL: 0x02}


def _packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    rest = len(body)
    head = bytearray([first])
    while True:
        rest, digit = divmod(rest, 128)
        head.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes(head) + body


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def connect(client_id: str, clean: bool, will: tuple[str, bytes, int] | None = None) -> bytes:
    """CONNECT without keep alive; `will` is topic, payload and QoS."""
    flags = 0x02 if clean else 0
    parts = [_text(client_id)]
    if will is not None:
        topic, payload, qos = will
        flags |= 0x04 | qos << 3
        parts += [_text(topic), struct.pack(">H", len(payload)), payload]
    return _packet(0x10, b"\x00\x04MQTT\x04", bytes([flags]), b"\x00\x00", *parts)


def publish(topic: str, payload: bytes, qos: int, pid: int, flags: int = 0) -> bytes:
    """PUBLISH of QoS 1 or 2; `flags` may hold DUP (8) and RETAIN (1)."""
    first = PUBLISH | qos << 1 | flags
    return _packet(first, _text(topic), struct.pack(">H", pid), payload)


def acknowledgement(kind: int, pid: int) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    return struct.pack(">BBH", kind | _FLAGS.get(kind, 0), 2, pid)


def subscribe(pid: int, topic_filter: str, qos: int) -> bytes:
    """SUBSCRIBE with one filter."""
    return _packet(0x82, struct.pack(">H", pid), _text(topic_filter), bytes([qos]))


def unsubscribe(pid: int, topic_filter: str) -> bytes:
    """UNSUBSCRIBE with one filter."""
    return _packet(0xA2, struct.pack(">H", pid), _text(topic_filter))


class Inbox:
    """Cuts a stream of bytes into packets."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def partial(self) -> bool:
        """Whether a packet has begun and not ended."""
        return bool(self._held)

    def packets(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """First byte and body of each complete packet."""
        if self._held:
            data = self._held + data
        at, end = 0, len(data)
        while True:
            length, shift, place = 0, 0, at + 1
            while place < end:
                digit = data[place]
                place += 1
                length |= (digit & 0x7F) << shift
                shift += 7
                if not digit & 0x80:
                    break
            else:
                break
            if place + length > end:
                break
            yield data[at], data[place : place + length]
            at = place + length
        self._held = data[at:]


def opened(first: int, body: bytes) -> tuple[str, int, bytes]:
    """Topic, identifier (0 for QoS 0) and payload of a PUBLISH."""
    length = body[0] << 8 | body[1]
    topic = body[2 : 2 + length].decode()
    at = 2 + length
    if first & 0x06:
        return topic, body[at] << 8 | body[at + 1], body[at + 2 :]
    return topic, 0, body[at:]
