"""Every process that the tests start, so that none outlives them."""

from __future__ import annotations

import atexit
import subprocess
import threading
from typing import Any

_lock = threading.Lock()
_started: list[subprocess.Popen[bytes]] = []


def start(command: list[str], **how: Any) -> subprocess.Popen[bytes]:
    """Start a process and remember it."""
    process = subprocess.Popen(command, **how)
    with _lock:
        _started[:] = [one for one in _started if one.returncode is None]
        _started.append(process)
    return process


def kill_rest() -> None:
    """End what is left. Knows processes by their id only, and only those started here."""
    with _lock:
        for process in _started:
            if process.poll() is None:
                process.kill()


atexit.register(kill_rest)
