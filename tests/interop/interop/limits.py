"""Time limits, the one kind of failure, and payloads that both languages can make."""

from __future__ import annotations

import hashlib

WAIT = 20.0
"""Seconds that one event may take. Generous: it decides only when something is broken."""


class Failure(Exception):
    """What was expected did not happen; the text says what."""


def check(condition: bool, why: str) -> None:
    """Fail with `why` unless the condition holds."""
    if not condition:
        raise Failure(why)


def same(got: object, expected: object, what: str) -> None:
    """Fail unless both are equal, showing both, shortened."""
    if got != expected:
        raise Failure(f"{what}: got {_short(got)}, expected {_short(expected)}")


def pattern(size: int, seed: str) -> bytes:
    """`size` bytes that look random and can be made again in any language."""
    return hashlib.shake_256(seed.encode()).digest(size)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-60:]} ({len(text)} characters)"
