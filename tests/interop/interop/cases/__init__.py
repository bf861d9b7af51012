"""The tests. A test is a function whose name and label say what must hold."""

from __future__ import annotations

from importlib import import_module

MODULES = (
    # Those that take longest come first, so that the end of a run is not spent waiting for one.
    "keep_alive",
    "large",
    "sessions",
    "cuts",
    "wills",
    "shared",
    "together",
    "basics",
    "retained",
    "versions",
    "transports",
    "browser",
    "tools_basics",
    "tools_sessions",
    "tools_mosquitto",
    "tools_burgee",
)


def load() -> None:
    """Import every module, which registers its tests."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")
