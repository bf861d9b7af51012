"""What a test asks of any client library, and the inbox behind it."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..limits import WAIT, Failure, check
from ..proxy import Endpoint

V31 = "3.1"
V311 = "3.1.1"
V5 = "5"


@dataclass(frozen=True)
class Will:
    """What the broker publishes when the client is lost."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True)
class Options:
    """How to connect."""

    endpoint: Endpoint
    client_id: str
    version: str = V311
    clean: bool = True
    keep_alive: int = 60
    will: Will | None = None
    user_name: str | None = None
    password: str | None = None
    reconnect: bool = False


@dataclass(frozen=True)
class Message:
    """A message as the application got it. A large payload may be known by its digest only."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int
    retain: bool
    size: int
    digest: str

    @classmethod
    def whole(cls, topic: str, payload: bytes, qos: int, retain: bool) -> Message:
        """A message whose payload is at hand."""
        digest = hashlib.sha256(payload).hexdigest()
        return cls(topic, payload, qos, retain, len(payload), digest)

    def carries(self, payload: bytes) -> bool:
        """Whether exactly this payload came."""
        return self.size == len(payload) and self.digest == hashlib.sha256(payload).hexdigest()


@dataclass(frozen=True)
class ConnAck:
    """The broker's answer as the library reports it."""

    accepted: bool
    session_present: bool
    reason: str


class Inbox:
    """Messages and other events in the order in which they came, with bounded waits."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._changed = threading.Condition()
        self._messages: list[Message] = []
        self._connacks: list[ConnAck] = []
        self._closed = 0

    def message(self, message: Message) -> None:
        """The library handed out a message."""
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()

    def connack(self, answer: ConnAck) -> None:
        """The broker answered a CONNECT, or the attempt failed."""
        with self._changed:
            self._connacks.append(answer)
            self._changed.notify_all()

    def closed(self) -> None:
        """The connection ended."""
        with self._changed:
            self._closed += 1
            self._changed.notify_all()

    def waiting(self) -> int:
        """How many messages are there."""
        with self._changed:
            return len(self._messages)

    def take(self, count: int) -> list[Message]:
        """The next `count` messages."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._messages) >= count, WAIT):
                got = [(m.topic[:60], m.payload[:40]) for m in self._messages[-5:]]
                raise Failure(
                    f"{self._owner}: {len(self._messages)} of {count} messages in {WAIT} s; "
                    f"the last: {got}"
                )
            taken, self._messages = self._messages[:count], self._messages[count:]
            return taken

    def take_connack(self) -> ConnAck:
        """The next answer to a CONNECT."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._connacks), WAIT):
                raise Failure(f"{self._owner}: no answer to CONNECT in {WAIT} s")
            return self._connacks.pop(0)

    def wait_closed(self, times: int = 1) -> None:
        """Until the connection has ended `times` times in all."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed >= times, WAIT):
                raise Failure(f"{self._owner}: still connected after {WAIT} s")


class Pending(ABC):
    """A publication under way."""

    @abstractmethod
    def wait(self) -> None:
        """Until it is written (QoS 0) or fully acknowledged (QoS 1 and 2)."""


class Client(ABC):
    """One client of a library. `connect` may be called again after the connection has ended."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.inbox = Inbox(options.client_id)

    def connect(self) -> ConnAck:
        """Connect and insist on success."""
        answer = self.try_connect()
        check(answer.accepted, f"{self.options.client_id}: refused: {answer.reason}")
        return answer

    def reconnected(self) -> ConnAck:
        """Wait until the library has connected again by itself; failed attempts do not count."""
        while not (answer := self.inbox.take_connack()).accepted:
            pass
        return answer

    def publish(self, topic: str, payload: bytes = b"", qos: int = 0, retain: bool = False) -> None:
        """Publish and wait until the library says that it is done."""
        self.start_publish(topic, payload, qos, retain).wait()

    def take(self, count: int = 1) -> list[Message]:
        """The next `count` messages."""
        return self.inbox.take(count)

    def take_payloads(self, count: int = 1) -> list[bytes]:
        """The payloads of the next `count` messages."""
        return [m.payload for m in self.inbox.take(count)]

    @abstractmethod
    def try_connect(self) -> ConnAck:
        """Connect and report what came of it."""

    @abstractmethod
    def subscribe(self, filters: str | Sequence[str], qos: int = 0) -> list[int]:
        """Subscribe with one packet; the codes of SUBACK."""

    @abstractmethod
    def unsubscribe(self, topic_filter: str) -> None:
        """Unsubscribe and wait for UNSUBACK."""

    @abstractmethod
    def start_publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> Pending:
        """Publish without waiting."""

    @abstractmethod
    def disconnect(self) -> None:
        """Send DISCONNECT and wait for the end of the connection."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; never fails."""
