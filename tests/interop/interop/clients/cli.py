"""Command line clients: mosquitto_pub and mosquitto_sub, and burgee pub and burgee sub.

A subscriber runs through a proxy of its own, because only there one can see that the broker
has acknowledged its subscription.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from .. import processes, wire
from ..limits import WAIT, Failure, same
from ..proxy import Endpoint, Proxy

MOSQUITTO = "mosquitto"
BURGEE = "burgee"


@dataclass(frozen=True)
class Tools:
    """A publishing and a subscribing program that take the same options."""

    family: str
    name: str
    pub: tuple[str, ...]
    sub: tuple[str, ...]


def address(endpoint: Endpoint) -> list[str]:
    """The options that lead to a broker."""
    return ["-h", endpoint.host, "-p", str(endpoint.port)]


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    out: bytes
    errors: str


def run(command: list[str], stdin: bytes | None = None) -> Ended:
    """Run a program to its end, whatever its status."""
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=WAIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        shown = " ".join(one[:60] for one in command)
        raise Failure(f"`{shown}` did not end within {WAIT} s: {error.stderr!r}") from None
    return Ended(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def publish(tools: Tools, endpoint: Endpoint, *options: str, stdin: bytes | None = None) -> None:
    """Publish and insist on success."""
    ended = run([*tools.pub, *address(endpoint), *options], stdin)
    shown = " ".join(one[:60] for one in options)
    same((ended.code, ended.errors), (0, ""), f"publishing with {shown}: status and errors")


class Program:
    """A program that runs beside the test, through a proxy."""

    def __init__(self, command: tuple[str, ...], proxy: Proxy, *options: str) -> None:
        self.proxy = proxy
        # Files, not pipes: a full pipe would stop the program, and the proxy behind it.
        self._out, self._errors = TemporaryFile(), TemporaryFile()
        self._process = processes.start(
            [*command, *address(proxy.endpoint), *options],
            stdin=subprocess.PIPE,
            stdout=self._out,
            stderr=self._errors,
        )

    def wait_connected(self) -> None:
        """Until the broker has accepted it."""
        self._wait_for(wire.CONNACK)

    def wait_subscribed(self) -> None:
        """Until the broker has acknowledged its subscription."""
        self._wait_for(wire.SUBACK)

    def write(self, data: bytes) -> None:
        """Feed its standard input."""
        stdin = self._stdin()
        stdin.write(data)
        stdin.flush()

    def finish(self) -> Ended:
        """Close its input, wait until it ends by itself and take its output."""
        try:
            self._process.communicate(timeout=WAIT)
        except subprocess.TimeoutExpired:
            self.kill()
            out, errors = self._written()
            raise Failure(
                f"the program did not end within {WAIT} s: {len(out)} bytes out, ending "
                f"{out[-100:]!r}; errors: {errors[-300:]!r}; {self.proxy.story()}"
            ) from None
        out, errors = self._written()
        return Ended(self._process.returncode, out, errors.decode(errors="replace"))

    def lines(self) -> list[bytes]:
        """The lines that it printed until it ended by itself, with success."""
        ended = self.finish()
        same(ended.code, 0, f"status (errors: {ended.errors!r})")
        return ended.out.splitlines()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, and reap it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def _wait_for(self, kind: int) -> None:
        try:
            self.proxy.wait_for(kind, from_broker=True)
        except Failure as failure:
            self.kill()
            _, errors = self._written()
            raise Failure(f"{failure}; the program's errors: {errors[-300:]!r}") from None

    def _written(self) -> tuple[bytes, bytes]:
        for file in (self._out, self._errors):
            file.seek(0)
        return self._out.read(), self._errors.read()

    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin
