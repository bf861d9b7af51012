"""One readiness loop with timers, and connections on it.

What must hold: nothing waits without a limit, and everything that a connection received is told before its end is.
Deliberately absent: threads.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable
from typing import Protocol

from .wire import Inbox

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Stalled(Exception):
    """What was waited for did not come in time; the text says what."""


class Owner(Protocol):
    """Who is told of a connection."""

    def on_open(self) -> None:
        """It stands."""

    def on_packet(self, first: int, body: bytes) -> None:
        """A packet came."""

    def on_closed(self) -> None:
        """It has ended, or could not be made."""


class Loop:
    """Events and timers in one place."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.talking: list[Link] = []
        self.packets = 0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do this then; who no longer wants it has to know that himself."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), action))

    def run_until(self, done: Callable[[], bool], limit: float, what: str) -> None:
        """Turn until `done`, at most so many seconds."""
        deadline = time.monotonic() + limit
        while not done():
            if time.monotonic() > deadline:
                raise Stalled(what)
            self.turn(deadline)

    def turn(self, deadline: float) -> None:
        """Send what was said, wait for something, and tell it."""
        self._flush()
        now = time.monotonic()
        until = min(deadline, self._timers[0][0]) if self._timers else deadline
        for key, events in self.selector.select(max(0.0, until - now)):
            key.data.event(events)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        self._flush()

    def close(self) -> None:
        """Forget timers and end what is left."""
        self._timers.clear()
        for key in list(self.selector.get_map().values()):
            key.data.abort()
        self.selector.close()

    def _flush(self) -> None:
        while self.talking:
            talking, self.talking = self.talking, []
            for link in talking:
                link.flush()


class Link:
    """One connection. It ends by `abort`, or by itself; then its owner is told, but for an `abort`."""

    def __init__(self, loop: Loop, port: int, owner: Owner) -> None:
        self._loop = loop
        self._owner = owner
        self._inbox = Inbox()
        self._out = bytearray()
        self._open = False
        self._queued = False
        self._watched = WRITE
        self._socket: socket.socket | None = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = self._socket.connect_ex(("127.0.0.1", port))
        self._refused = begun not in (0, errno.EINPROGRESS)
        loop.selector.register(self._socket, WRITE, self)

    @property
    def dead(self) -> bool:
        """Whether it has ended."""
        return self._socket is None

    def send(self, data: bytes) -> None:
        """It leaves with the end of this turn."""
        if self._socket is None:
            return
        self._out += data
        if not self._queued:
            self._queued = True
            self._loop.talking.append(self)

    def abort(self) -> None:
        """End it here and now; what was sent before may arrive or not."""
        if self._socket is not None:
            self._loop.selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def finish(self) -> None:
        """Say the last words, then end it."""
        self.flush()
        self.abort()

    def event(self, events: int) -> None:
        """Called by the loop."""
        if self._socket is None:
            return
        if not self._open:
            if self._refused or self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._lost()
                return
            self._open = True
            self._watch(READ)
            self._owner.on_open()
            return
        if events & WRITE:
            self.flush()
        if events & READ:
            self._receive()

    def flush(self) -> None:
        """Called by the loop. An error here is found again by reading, behind what was received before."""
        self._queued = False
        if self._socket is None or not self._open or not self._out:
            return
        try:
            sent = self._socket.send(self._out)
            del self._out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()
        self._watch(READ | WRITE if self._out else READ)

    def _receive(self) -> None:
        # Some reads only, so that none of the others starves.
        for _ in range(4):
            if self._socket is None:
                return
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._lost()
                return
            for first, body in self._inbox.packets(data):
                self._loop.packets += 1
                self._owner.on_packet(first, body)
                if self._socket is None:
                    return

    def _lost(self) -> None:
        self.abort()
        self._owner.on_closed()

    def _watch(self, events: int) -> None:
        if events != self._watched and self._socket is not None:
            self._watched = events
            self._loop.selector.modify(self._socket, events, self)
