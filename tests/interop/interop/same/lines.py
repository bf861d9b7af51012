"""Runs one command line through a program of Mosquitto's and through ours, and compares what came of it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ..limits import WAIT
from .watched import Watched

# What differs from run to run.
STAMPS = [
    (re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z?[+-]\d{4}"), b"STAMP"),
    (re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"), b"TIME"),
    (re.compile(rb"\b\d{10}\.\d{9}\b"), b"UNIX"),
]
# Of the packets, -d tells those that the program asked for. Acknowledgements are the library's own affair.
UNTOLD = re.compile(rb"^Client \S+ (sending|received) (PUBACK|PUBREC|PUBREL|PUBCOMP|UNSUBSCRIBE|UNSUBACK)\b.*\n", re.M)
IDENTIFIED = re.compile(rb"(sending PUBLISH .*?, m)\d+")


@dataclass(frozen=True)
class Line:
    """A command line, without its host and port, and what is fed to it or sent to it."""

    command: str
    arguments: tuple[str, ...]
    stdin: bytes = b""
    # Published once the program has subscribed: topic, payload, retained.
    then: tuple[tuple[str, bytes, bool], ...] = ()
    # Retained at the broker before the program starts: topic, payload.
    before: tuple[tuple[str, bytes], ...] = ()
    # Where we know better, and the page says so: "code", "out", "packets".
    differs: tuple[str, ...] = ()
    # No host and port are added.
    bare: bool = False
    # What the server answers to CONNECT before it closes.
    answer: bytes | None = None
    # At the port where TLS is spoken; there, packets cannot be seen.
    secure: bool = False

    def shown(self) -> str:
        """For people."""
        return f"{self.command} {' '.join(self.arguments)}"


@dataclass
class Outcome:
    """What came of it."""

    code: int
    out: bytes
    complained: bool
    packets: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Programs:
    """Both, and the broker that they talk to."""

    burgee: Path
    broker: tuple[str, int]
    secure: tuple[str, int]
    folder: Path

    def compare(self, number: int, line: Line) -> str | None:
        """None if both do the same, else what differs."""
        theirs = self._run([f"mosquitto_{line.command}"], line, f"t{number:03}")
        ours = self._run([str(self.burgee), line.command], line, f"o{number:03}")
        for what, wanted, got in (
            ("code", theirs.code, ours.code),
            ("out", theirs.out, ours.out),
            ("errors", theirs.complained, ours.complained),
            ("packets", theirs.packets, ours.packets),
        ):
            if wanted != got and what not in line.differs:
                return f"{what}: Mosquitto's {wanted!r}, ours {got!r}"
        return None

    def _run(self, program: list[str], line: Line, name: str) -> Outcome:
        watched = Watched(self.secure if line.secure else self.broker, line.answer)
        fill = {"id": name, "port": str(watched.port), "folder": str(self.folder)}
        arguments = [replaced(one, fill) for one in line.arguments]
        if line.before:
            self.publish(tuple((topic, payload, True) for topic, payload in line.before), name)
        address = [] if line.bare else ["-h", "127.0.0.1", "-p", str(watched.port)]
        process = subprocess.Popen(
            [*program, *address, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "XDG_CONFIG_HOME": str(self.folder), "TZ": "UTC0", "NO_COLOR": "1"},
        )
        try:
            if line.then and watched.subscribed.wait(WAIT):
                self.publish(line.then, name)
            out, errors = process.communicate(line.stdin, timeout=WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            out, errors = process.communicate()
            errors += b"it does not end"
        packets = [] if line.secure else [one.replace(name.encode(), b"NAME") for one in watched.sent()]
        watched.close()
        return Outcome(process.returncode, steady(out, name), bool(errors), packets)

    def publish(self, messages: tuple[tuple[str, bytes, bool], ...], name: str) -> None:
        """A client of a few lines, so that no program under test is needed."""
        with socket.create_connection(self.broker) as link:
            link.sendall(packet(0x10, b"\0\4MQTT\4\2\0\0" + text(f"same-{os.getpid()}-{name}")))
            link.recv(4)
            for topic, payload, retain in messages:
                head = text(replaced(topic, {"id": name}))
                link.sendall(packet(0x32 | retain, head + b"\0\1" + payload))
                link.recv(4)
            link.sendall(b"\xe0\0")


def replaced(text_: str, fill: dict[str, str]) -> str:
    """`{name}` filled in; other braces are somebody's JSON."""
    for name, value in fill.items():
        text_ = text_.replace(f"{{{name}}}", value)
    return text_


def text(value: str) -> bytes:
    """A string of MQTT."""
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def packet(first: int, body: bytes) -> bytes:
    """A packet with its length before it."""
    rest, length = b"", len(body)
    while True:
        rest += bytes([length % 128 | (128 if length > 127 else 0)])
        length //= 128
        if not length:
            return bytes([first]) + rest + body


def steady(out: bytes, name: str) -> bytes:
    """The output without what differs from run to run."""
    for pattern, word in STAMPS:
        out = pattern.sub(word, out)
    out = UNTOLD.sub(b"", out)
    out = IDENTIFIED.sub(rb"\1N", out)
    return out.replace(name.encode(), b"NAME")
