"""burgee pub and burgee sub: what scripts rely on beyond what Mosquitto's programs do."""

from __future__ import annotations

from ..clients.cli import BURGEE, Program, address, publish, run
from ..limits import check, same
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
