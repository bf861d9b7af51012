"""A client that does one thing after the other, byte by byte, and may stop at any step of an exchange.

What must hold: nothing is acknowledged unless the story says so. Deliberately absent: threads, and wishes of its own.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass

from crash import wire

WAIT = 20.0


class Failure(Exception):
    """What was expected did not come."""


@dataclass(frozen=True)
class Got:
    """A PUBLISH as it came."""

    topic: str
    payload: bytes
    qos: int
    pid: int
    dup: bool
    retain: bool


class Client:
    """A connection. MQTT 3.1.1, or 3.1."""

    def __init__(self, port: int, client_id: str, clean: bool = False, version: int = 4) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), WAIT)
        self._inbox = wire.Inbox()
        self._came: list[tuple[int, bytes]] = []
        hello = wire.connect(client_id, clean)
        if version == 3:
            hello = hello.replace(b"\x00\x04MQTT\x04", b"\x00\x06MQIsdp\x03", 1)
            hello = bytes([hello[0], hello[1] + 2]) + hello[2:]
        self.send(hello)
        first, body = self.next()
        expect(first == wire.CONNACK and body[1] == 0, f"{client_id}: no CONNACK that lets it in, but {first:#x} {body!r}")
        self.present = bool(body[0])

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        self._socket.sendall(data)

    def next(self) -> tuple[int, bytes]:
        """The next packet, whatever it is."""
        until = time.monotonic() + WAIT
        while not self._came:
            self._socket.settimeout(max(until - time.monotonic(), 0.001))
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                raise Failure(f"nothing came within {WAIT} s") from None
            expect(bool(data), "the broker closed the connection")
            self._came.extend(self._inbox.packets(data))
        return self._came.pop(0)

    def answer(self, kind: int) -> bytes:
        """The body of the next packet, which has to be of this kind."""
        first, body = self.next()
        expect(first & 0xF0 == kind, f"packet {first:#x} came instead of {kind:#x}")
        return body

    def message(self) -> Got:
        """The next packet, which has to be a PUBLISH. It is not answered."""
        first, body = self.next()
        expect(first & 0xF0 == wire.PUBLISH, f"packet {first:#x} came instead of a PUBLISH")
        topic, pid, payload = wire.opened(first, body)
        return Got(topic, payload, first >> 1 & 3, pid, bool(first & 8), bool(first & 1))

    def take(self) -> Got:
        """The next message, acknowledged to its end."""
        got = self.message()
        if got.qos == 1:
            self.send(wire.acknowledgement(wire.PUBACK, got.pid))
        if got.qos == 2:
            self.send(wire.acknowledgement(wire.PUBREC, got.pid))
            # Other messages may come before the answer.
            self.put_aside(wire.PUBREL, got.pid)
            self.send(wire.acknowledgement(wire.PUBCOMP, got.pid))
        return got

    def put_aside(self, kind: int, pid: int) -> None:
        """Waits for this acknowledgement; what comes before stays for later."""
        aside = []
        while True:
            first, body = self.next()
            if first & 0xF0 == kind and body == struct.pack(">H", pid):
                break
            aside.append((first, body))
        self._came = aside + self._came

    def subscribe(self, topic_filter: str, qos: int) -> None:
        """Subscribe to one filter."""
        self.send(wire.subscribe(1, topic_filter, qos))
        aside = []
        while True:
            first, body = self.next()
            if first & 0xF0 == wire.SUBACK:
                break
            aside.append((first, body))
        self._came = aside + self._came
        expect(body[2] == qos, f"SUBACK with {body[2]:#x} for {topic_filter}")

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool = False) -> None:
        """Publish, to the end of the exchange."""
        if qos == 0:
            head = struct.pack(">H", len(topic.encode())) + topic.encode()
            self.send(wire._packet(wire.PUBLISH | retain, head, payload))
            return
        self.send(wire.publish(topic, payload, qos, 9, 1 if retain else 0))
        if qos == 1:
            self.put_aside(wire.PUBACK, 9)
            return
        self.put_aside(wire.PUBREC, 9)
        self.send(wire.acknowledgement(wire.PUBREL, 9))
        self.put_aside(wire.PUBCOMP, 9)

    def nothing_more(self) -> None:
        """Nothing is left: the answer to a PINGREQ is the next that comes."""
        self.send(wire.PINGREQ)
        first, body = self.next()
        expect(first == wire.PINGRESP, f"packet {first:#x} {body[:60]!r} came, and nothing was owed")

    def lose(self) -> None:
        """The connection ends without DISCONNECT."""
        self._socket.close()

    def leave(self) -> None:
        """DISCONNECT, and the broker closes."""
        self.send(wire.DISCONNECT)
        self._socket.settimeout(WAIT)
        while self._socket.recv(1 << 16):
            pass
        self._socket.close()


def expect(condition: bool, why: str) -> None:
    """Fail unless it holds."""
    if not condition:
        raise Failure(why)


def same(got: object, owed: object, what: str) -> None:
    """Fail unless both are equal."""
    if got != owed:
        raise Failure(f"{what}: got {str(got)[:400]}, owed {str(owed)[:400]}")
