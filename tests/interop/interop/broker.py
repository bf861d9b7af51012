"""Starts and stops the brokers: burgee, and a private Mosquitto for our own command line.

Only processes started here are stopped, by their own id.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

from . import certificates, processes
from .limits import WAIT, Failure, check
from .proxy import Endpoint

LISTENING = re.compile(r"^listening on (\w+)://(\[[^]]+\]|[^:]+):(\d+)(/\S*)?$")


def host_has_ipv6() -> bool:
    """Whether ::1 can be bound."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class Burgee:
    """One burgee with free ports on the loopback addresses that the host has."""

    def __init__(self, program: Path, shards: int, durability: str, folder: Path) -> None:
        self._errors = folder / "stderr.log"
        listen = ["tcp://127.0.0.1:0"] + (["tcp://[::1]:0"] if host_has_ipv6() else [])
        listen += ["mqtts://127.0.0.1:0", "ws://127.0.0.1:0/mqtt", "wss://127.0.0.1:0/mqtt"]
        made = certificates.make(folder)
        self._ca = made.ca
        command = [str(program), "serve", "--shards", str(shards), "--data", str(folder / "data")]
        command += ["--durability", durability, "--log", "info"]
        command += ["--tls-cert", str(made.chain), "--tls-key", str(made.key)]
        for url in listen:
            command += ["--listen", url]
        with self._errors.open("wb") as errors:
            self._process = processes.start(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )
        try:
            ends = self._wait_until_it_listens(len(listen))
        except Failure:
            self._process.kill()
            self._process.wait()
            raise
        plain = [end for end in ends if end.scheme == "tcp"]
        self.endpoint = next(end for end in plain if ":" not in end.host)
        self.ipv6 = next((end for end in plain if ":" in end.host), None)
        self.others = [end for end in ends if end.scheme != "tcp"]
        self.certificate = made.chain

    def trouble(self) -> str | None:
        """Why the run cannot go on or must not count as good."""
        code = self._process.poll()
        if code is not None:
            return f"the broker ended by itself with status {code}"
        return "the broker panicked" if "panicked at" in self.errors() else None

    def errors(self) -> str:
        """The last of what it wrote on standard error."""
        return self._errors.read_text(errors="replace")[-4_000:]

    def stop(self) -> None:
        """SIGTERM, and insist on a clean end."""
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise Failure(f"the broker did not end within {WAIT} s after SIGTERM") from None
        check(code == 0, f"the broker ended with status {code} after SIGTERM")
        check("panicked at" not in self.errors(), "the broker panicked")

    def _wait_until_it_listens(self, count: int) -> list[Endpoint]:
        ends: list[Endpoint] = []
        ready = threading.Event()

        def read() -> None:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                if found := LISTENING.match(line.decode(errors="replace").strip()):
                    scheme, host, port, path = found.groups()
                    end = Endpoint(host.strip("[]"), int(port), scheme, path or "")
                    ends.append(replace(end, ca=str(self._ca)) if end.secure else end)
                if len(ends) == count:
                    ready.set()
            ready.set()

        threading.Thread(target=read, daemon=True).start()
        ready.wait(WAIT)
        if len(ends) < count:
            raise Failure(f"{len(ends)} of {count} listeners came up:\n{self.errors()}")
        return ends


class External:
    """A broker that somebody else started, for working on the tests themselves."""

    def __init__(self, endpoint: Endpoint, ipv6: Endpoint | None) -> None:
        self.endpoint = endpoint
        self.ipv6 = ipv6
        self.others: list[Endpoint] = []
        self.certificate = Path()

    def trouble(self) -> str | None:
        """Nothing is known about it."""
        return None

    def errors(self) -> str:
        """Nothing is known about it."""
        return ""

    def stop(self) -> None:
        """It is not ours."""


class Mosquitto:
    """A private Mosquitto, so that our command line meets a broker that is not ours."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            "log_dest stderr\nmax_queued_messages 0\nmax_inflight_messages 0\n"
        )
        if os.geteuid() == 0:
            config.write_text(config.read_text() + "user root\n")
        self.endpoint = Endpoint("127.0.0.1", port)
        self._process = processes.start(
            [program, "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        up = threading.Event()
        threading.Thread(target=self._read, args=(up,), daemon=True).start()
        up.wait(WAIT)
        if self._process.poll() is not None or not up.is_set():
            self.stop()
            raise Failure("mosquitto did not start")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, up: threading.Event) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b"running" in line:
                up.set()
        up.set()
