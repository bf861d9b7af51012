"""A TCP proxy between a client and the broker that sees packets and can hurt the connection.

It forwards whole packets, remembers what it saw, cuts the connection at a chosen packet, or
turns into a black hole that keeps both sides open and forwards nothing.
A cut happens at most once for each rule, so a client that reconnects gets through.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from . import wire
from .limits import WAIT, Failure


@dataclass(frozen=True)
class Endpoint:
    """Where something listens."""

    host: str
    port: int
    scheme: str = "tcp"
    path: str = ""
    # Of the authority that signed the broker's certificate.
    ca: str = ""

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme in ("mqtts", "wss")

    @property
    def web(self) -> bool:
        """Whether WebSocket is spoken."""
        return self.scheme in ("ws", "wss")


@dataclass
class Cut:
    """Cut at the `nth` packet of `kind` from the broker or from the client, counted from 1.

    The packet itself is lost, but for its first half if `half` is set.
    """

    kind: int
    from_broker: bool
    nth: int = 1
    half: bool = False
    reset: bool = False
    happened: threading.Event = field(default_factory=threading.Event)

    def __str__(self) -> str:
        return f"{wire.name(self.kind)} from the {'broker' if self.from_broker else 'client'}"


class Link:
    """One client connection and its twin to the broker."""

    def __init__(self, number: int, client: socket.socket, broker: socket.socket) -> None:
        self.number = number
        self.client = client
        self.broker = broker
        self.closed = False
        self._ways_over = 0
        self._lock = threading.Lock()

    def way_over(self, sink: socket.socket) -> None:
        """One side has ended its sending: tell the other, which may go on sending."""
        with self._lock:
            self._ways_over += 1
            both = self._ways_over == 2
        if both:
            self.close()
            return
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The other side was faster.

    def close(self, reset: bool = False) -> None:
        """End both sides, with FIN or with RST."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
        # A thread that reads holds the socket open. Shutting down wakes it, but shutting down
        # the writing side would send the FIN that a reset must not begin with.
        how = socket.SHUT_RD if reset else socket.SHUT_RDWR
        for end in (self.client, self.broker):
            try:
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(how)
            except OSError:
                pass  # The other side was faster.
            end.close()


class Proxy:
    """Listens on a free port of loopback and passes connections on to `target`."""

    def __init__(self, target: Endpoint) -> None:
        self._target = target
        # Reentrant: a wait that fails tells the story under the same lock.
        self._changed = threading.Condition(threading.RLock())
        self._seen: list[wire.Seen] = []
        self._links: list[Link] = []
        self._cuts: list[Cut] = []
        self._ends: list[str] = []
        self._black_hole = False
        self._refuse = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = Endpoint("127.0.0.1", self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, cut: Cut) -> Cut:
        """Arrange a cut, counted from now; its `happened` tells when it has come."""
        with self._changed:
            cut.nth += self._count(cut.kind, cut.from_broker)
            self._cuts.append(cut)
        return cut

    def cut_now(self, reset: bool = False) -> None:
        """Cut every connection that is open."""
        with self._changed:
            links = [link for link in self._links if not link.closed]
        for link in links:
            link.close(reset)

    def black_hole(self) -> None:
        """From now on swallow everything, also the end of a connection."""
        self._black_hole = True

    def refuse(self) -> None:
        """From now on close new connections at once."""
        self._refuse = True

    def seen(self) -> list[wire.Seen]:
        """All packets so far."""
        with self._changed:
            return list(self._seen)

    def wait_for(self, kind: int, *, from_broker: bool, count: int = 1) -> None:
        """Until so many packets of that kind have been forwarded."""
        side = "broker" if from_broker else "client"
        self._wait(
            lambda: self._count(kind, from_broker) >= count,
            f"{count} x {wire.name(kind)} from the {side}",
        )

    def wait_for_end(self) -> None:
        """Until the broker has closed a connection from its side."""
        self._wait(lambda: "broker: FIN" in self._ends, "the broker to close the connection")

    def story(self) -> str:
        """The last packets and how the sides ended, for a failure's text."""
        with self._changed:
            packets = [
                f"{'<' if one.from_broker else '>'}{wire.name(one.kind)}"
                for one in self._seen[-20:]
            ]
            ends = list(self._ends)
        return f"the proxy saw: {', '.join(packets) or 'nothing'}; ends: {', '.join(ends)}"

    def close(self) -> None:
        """Stop listening and cut what is open."""
        self.refuse()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # Not every system lets a listener be shut down.
        self._listener.close()
        self.cut_now()

    def _count(self, kind: int, from_broker: bool) -> int:
        return sum(1 for s in self._seen if s.kind == kind and s.from_broker == from_broker)

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(done, WAIT):
                raise Failure(f"waited {WAIT} s for {what}; {self.story()}")

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refuse:
                client.close()
                continue
            try:
                broker = socket.create_connection((self._target.host, self._target.port), WAIT)
            except OSError:
                client.close()
                continue
            broker.settimeout(None)
            for end in (client, broker):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                link = Link(len(self._links), client, broker)
                self._links.append(link)
            for from_broker in (False, True):
                threading.Thread(target=self._pump, args=(link, from_broker), daemon=True).start()

    def _pump(self, link: Link, from_broker: bool) -> None:
        source, sink = (link.broker, link.client) if from_broker else (link.client, link.broker)
        buffer = bytearray()
        try:
            while chunk := source.recv(1 << 18):
                if self._black_hole:
                    continue
                buffer += chunk
                if not self._forward(link, from_broker, buffer, sink):
                    return
            self._note_end(from_broker, "FIN")
        except ConnectionResetError:
            self._note_end(from_broker, "RST")
            link.close(reset=True)
        except (OSError, ValueError) as error:
            # Our own cut, a sink that is gone, or bytes that are no MQTT.
            self._note_end(from_broker, str(error))
            link.close()
        if not self._black_hole:
            link.way_over(sink)

    def _note_end(self, from_broker: bool, how: str) -> None:
        with self._changed:
            self._ends.append(f"{'broker' if from_broker else 'client'}: {how}")
            self._changed.notify_all()

    def _forward(
        self, link: Link, from_broker: bool, buffer: bytearray, sink: socket.socket
    ) -> bool:
        while (size := wire.packet_length(buffer)) is not None and size <= len(buffer):
            packet = bytes(buffer[:size])
            del buffer[:size]
            fact = wire.describe(link.number, from_broker, packet)
            with self._changed:
                self._seen.append(fact)
                cut = self._due(fact)
            if cut is not None:
                if cut.half:
                    sink.sendall(packet[: len(packet) // 2])
                cut.happened.set()
                link.close(cut.reset)
                return False
            if self._black_hole:
                return True
            sink.sendall(packet)
            with self._changed:
                self._changed.notify_all()
        return True

    def _due(self, fact: wire.Seen) -> Cut | None:
        for cut in self._cuts:
            same = cut.kind == fact.kind and cut.from_broker == fact.from_broker
            if same and self._count(cut.kind, cut.from_broker) == cut.nth:
                return cut
        return None
