"""A relay before the broker that remembers the packets a program sends."""

from __future__ import annotations

import socket
import threading

from ..limits import WAIT

CONNECT, PUBLISH, SUBSCRIBE, SUBACK, UNSUBSCRIBE = 1, 3, 8, 9, 10
# Acknowledgements may come in another order, pings at any time, and Mosquitto's programs do not always wait until their
# DISCONNECT is out.
SHOWN = (CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE)


def packets(stream: bytes) -> list[bytes]:
    """The whole packets of a stream."""
    found = []
    while len(stream) >= 2:
        length, shift, at = 0, 0, 1
        while at < len(stream):
            length |= (stream[at] & 127) << shift
            shift += 7
            at += 1
            if stream[at - 1] < 128:
                break
        if len(stream) < at + length:
            break
        found.append(stream[: at + length])
        stream = stream[at + length :]
    return found


def without_identifier(packet: bytes) -> bytes:
    """The packet without the identifier that its sender has chosen."""
    kind, flags = packet[0] >> 4, packet[0] & 15
    body = packet[-(len(packet) - 1) :]
    while body[0] & 128:
        body = body[1:]
    body = body[1:]
    if kind in (SUBSCRIBE, UNSUBSCRIBE):
        body = body[2:]
    if kind == PUBLISH and flags & 6:
        end = 2 + int.from_bytes(body[:2], "big")
        body = body[:end] + body[end + 2 :]
    return packet[:1] + body


class Watched:
    """One relay for one run of one program."""

    def __init__(self, broker: tuple[str, int], instead: bytes | None = None) -> None:
        self._broker = broker
        # What answers CONNECT instead of the broker, before the connection is closed.
        self._instead = instead
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sent = bytearray()
        self._sockets: list[socket.socket] = []
        self.subscribed = threading.Event()
        self._ways = threading.Semaphore(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def sent(self) -> list[bytes]:
        """What the program sent, once its connection is over."""
        if self._sockets:
            self._ways.acquire(timeout=WAIT)
        shown = [one for one in packets(bytes(self._sent)) if one[0] >> 4 in SHOWN]
        return [without_identifier(one) for one in shown]

    def close(self) -> None:
        """Let go of everything."""
        for one in [self._listener, *self._sockets]:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                if self._instead is not None:
                    client.recv(65_536)
                    client.sendall(self._instead)
                    client.close()
                    continue
                server = socket.create_connection(self._broker)
            except OSError:
                return
            self._sockets += [client, server]
            threading.Thread(target=self._forth, args=(client, server), daemon=True).start()
            threading.Thread(target=self._back, args=(server, client), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(65_536):
                self._sent += data
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self._ways.release()

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(65_536):
                client.sendall(data)
                # A SUBACK stands at the beginning of what the broker sends in one go, or behind CONNACK.
                if any(one[0] >> 4 == SUBACK for one in packets(data)):
                    self.subscribed.set()
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
