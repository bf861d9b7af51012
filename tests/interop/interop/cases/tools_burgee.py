"""burgee pub and burgee sub: what scripts rely on beyond what Mosquitto's programs do."""

from __future__ import annotations

import os
import pty
import select
import time

from .. import processes
from ..clients.cli import BURGEE, Program, address, publish, run
from ..limits import WAIT, check, same
from ..suite import Context, for_tools
from .tools_basics import subscriber, tools


@for_tools("--disable-clean-session is the long name of -c", only=BURGEE)
def long_name(t: Context) -> None:
    identity = ["--disable-clean-session", "-i", t.client_id(), "-q", "1", "-t", t.topic("x")]
    first = Program(tools(t).sub, t.proxy(), *identity, "-C", "1")
    t.at_end(first.kill)
    first.wait_subscribed()
    publish(tools(t), t.endpoint, "-t", t.topic("x"), "-m", "1", "-q", "1")
    same(first.lines(), [b"1"], "while there")
    publish(tools(t), t.endpoint, "-t", t.topic("x"), "-m", "2", "-q", "1")
    second = Program(tools(t).sub, t.proxy(), *identity, "-C", "1")
    t.at_end(second.kill)
    same(second.lines(), [b"2"], "waiting")


@for_tools("--help names every option, and a wrong one says what to do", only=BURGEE)
def help_text(t: Context) -> None:
    for command, options in (
        (tools(t).pub, ["-h", "-p", "-t", "-m", "-q", "-r", "-i", "-u", "-P", "-k", "-c"]),
        (tools(t).sub, ["-h", "-p", "-t", "-q", "-i", "-u", "-P", "-k", "-c", "-C", "-v"]),
    ):
        ended = run([*command, "--help"])
        same(ended.code, 0, "status")
        missing = [one for one in options if one not in ended.out.decode()]
        same(missing, [], f"{command[-1]}: options that --help does not name")
        wrong = run([*command, *address(t.endpoint), "--no-such-option"])
        check(wrong.code != 0 and "--no-such-option" in wrong.errors, f"{wrong}")


@for_tools("no colours, no progress, nothing but messages on a pipe", only=BURGEE)
def plain_output(t: Context) -> None:
    program = subscriber(t, "-t", t.topic("x"), "-C", "1")
    publish(tools(t), t.endpoint, "-t", t.topic("x"), "-m", "plain")
    ended = program.finish()
    same((ended.code, ended.out, ended.errors), (0, b"plain\n", ""), "status, output, errors")


@for_tools("sub --tree draws on a terminal, folds, and gives the terminal back", only=BURGEE)
def tree(t: Context) -> None:
    for name in ("a/one", "a/two", "b"):
        publish(tools(t), t.endpoint, "-t", t.topic(name), "-m", f"<{name}>", "-r", "-q", "1")
    terminal, inside = pty.openpty()
    t.at_end(lambda: os.close(terminal))
    command = [*tools(t).sub, *address(t.endpoint), "-t", t.topic("#"), "--tree"]
    environment = {**os.environ, "TERM": "xterm"}
    process = processes.start(command, stdin=inside, stdout=inside, stderr=inside, env=environment)
    os.close(inside)
    t.at_end(process.kill)
    seen = read_until(terminal, b"<a/two>", b"<b>", b"1m3 topics")
    check(seen.startswith(b"\x1b[?1049h"), f"it begins on the other screen: {seen[:40]!r}")
    os.write(terminal, b"3")
    folded = read_until(terminal, b"(2 topics)")
    check(b"\x1b[2J" not in folded, "it never flickers")
    os.write(terminal, b"q")
    end = read_until(terminal, b"\x1b[?25h\x1b[?1049l")
    same(process.wait(WAIT), 0, f"status, after {end[-40:]!r}")


def read_until(terminal: int, *wanted: bytes) -> bytes:
    """What a program draws, until all of this has come."""
    seen = b""
    until = time.monotonic() + WAIT
    while any(one not in seen for one in wanted):
        left = until - time.monotonic()
        check(left > 0 and bool(select.select([terminal], [], [], left)[0]), f"{wanted} in {seen[-300:]!r}")
        seen += os.read(terminal, 65_536)
    return seen
