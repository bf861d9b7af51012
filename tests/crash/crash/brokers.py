"""The brokers: started on a directory that outlives them, killed by their own id.

What must hold: only a process that was started here is killed, and none is left behind.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
from pathlib import Path

PATIENCE = 20.0
_running: list[subprocess.Popen[bytes]] = []


def _end_all() -> None:
    for process in _running:
        process.kill()
        process.wait()


atexit.register(_end_all)


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Broker:
    """A program, its directory and its port."""

    name = "broker"
    # Whether what it loses makes the run fail.
    promises = True

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.port = free_port()
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The words that start it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it; whether it listens is seen by connecting."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _running.append(self.process)

    def ended(self) -> int | None:
        """The status with which it has ended by itself."""
        return None if self.process is None else self.process.poll()

    def kill(self) -> None:
        """SIGKILL, and see it gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)
            _running.remove(self.process)
            self.process = None

    def whole(self) -> str | None:
        """What it finds wrong with the directory of the broker that was killed last."""
        return None

    def complaints(self) -> list[str]:
        """What it logged as errors, and its panics."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [line for line in lines if " ERROR " in line or "panicked at" in line]


class Burgee(Broker):
    """Burgee, with a durability."""

    def __init__(self, program: str, folder: Path, shards: int, durability: str) -> None:
        super().__init__(program, folder)
        self.shards = shards
        self._durability = durability
        self.name = f"burgee --durability {durability} --shards {shards}"

    def command(self) -> list[str]:
        return [
            self.program, "serve", "--listen", f"tcp://127.0.0.1:{self.port}", "--data", str(self.folder / "data"),
            "--durability", self._durability, "--shards", str(self.shards), "--log", "info",
        ]  # fmt: skip


    def whole(self) -> str | None:
        if self._durability == "memory":
            return None
        words = [self.program, "store", "check", "--data", str(self.folder / "data")]
        done = subprocess.run(words, capture_output=True, timeout=3 * PATIENCE, check=False)
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        return None if done.returncode == 0 else f"burgee store check: {said[-300:]}"


class Mosquitto(Broker):
    """Debian's Mosquitto with its persistence, as it comes, or saving after every change."""

    promises = False

    def __init__(self, program: str, folder: Path, eager: bool) -> None:
        super().__init__(program, folder)
        data = folder / "data"
        data.mkdir()
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {data}/",
            "max_queued_messages 0",
            "log_dest stderr",
        ]
        if eager:
            lines += ["autosave_interval 1", "autosave_on_changes true"]
        if os.geteuid() == 0:
            lines.append("user root")
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text("\n".join(lines) + "\n")
        saving = "autosave_interval 1, autosave_on_changes true" if eager else "autosave as it comes (30 minutes)"
        self.name = f"mosquitto, persistence true, {saving}"

    def command(self) -> list[str]:
        return [self.program, "-c", str(self._settings)]


def find_mosquitto() -> str | None:
    """Debian puts it where ordinary users do not look."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
