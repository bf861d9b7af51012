"""Command line programs: sessions, wills, take-over and cuts."""

from __future__ import annotations

import signal
from collections.abc import Callable

from .. import wire
from ..clients.base import V311
from ..clients.cli import BURGEE, Program, publish
from ..limits import WAIT, check, same
from ..proxy import Cut
from ..suite import Context, for_tools
from .tools_basics import subscriber, tools


def will_options(t: Context, payload: str, qos: str) -> list[str]:
    """A will on this test's topic."""
    return ["--will-topic", t.topic("will"), "--will-payload", payload, "--will-qos", qos]


@for_tools("-c -i: messages wait for a program that is away")
def away(t: Context) -> None:
    for qos in "12":
        identity = ["-c", "-i", t.client_id(), "-t", t.topic(f"kept{qos}"), "-q", qos]
        first = Program(tools(t).sub, t.proxy(), *identity, "-C", "1")
        t.at_end(first.kill)
        first.wait_subscribed()
        to = ["-t", t.topic(f"kept{qos}"), "-q", qos]
        publish(tools(t), t.endpoint, *to, "-m", "present")
        same(first.lines(), [b"present"], "while there")
        text = "".join(f"{number}\n" for number in range(1000)).encode()
        publish(tools(t), t.endpoint, *to, "-l", stdin=text)
        second = Program(tools(t).sub, t.proxy(), *identity, "-C", "1000")
        t.at_end(second.kill)
        same(second.lines(), text.split(), f"waiting, QoS {qos}")


@for_tools("without -c nothing waits")
def clean(t: Context) -> None:
    identity = ["-i", t.client_id(), "-t", t.topic("x"), "-q", "1", "-C", "1"]
    first = Program(tools(t).sub, t.proxy(), *identity)
    t.at_end(first.kill)
    first.wait_subscribed()
    publish(tools(t), t.endpoint, "-t", t.topic("x"), "-m", "1", "-q", "1")
    same(first.lines(), [b"1"], "while there")
    publish(tools(t), t.endpoint, "-t", t.topic("x"), "-m", "lost", "-q", "1")
    second = Program(tools(t).sub, t.proxy(), *identity)
    t.at_end(second.kill)
    second.wait_subscribed()
    publish(tools(t), t.endpoint, "-t", t.topic("x"), "-m", "2", "-q", "1")
    same(second.lines(), [b"2"], "after coming back")


@for_tools("will: killed programs leave theirs, with QoS and retain")
def killed(t: Context) -> None:
    witness = t.connected()
    witness.subscribe(t.topic("will"), 2)
    for qos in "012":
        program = Program(
            tools(t).sub, t.proxy(), "-t", t.topic("x"), "-i", t.client_id(),
            *will_options(t, f"gone {qos}", qos), "--will-retain",
        )  # fmt: skip
        t.at_end(program.kill)
        program.wait_subscribed()
        program.kill()
        got = [(m.payload, m.qos, m.retain) for m in witness.take(1)]
        same(got, [(f"gone {qos}".encode(), int(qos), False)], "live")
    late = t.connected()
    late.subscribe(t.topic("will"), 2)
    same([(m.payload, m.retain) for m in late.take(1)], [(b"gone 2", True)], "kept")


@for_tools("will: a killed publisher leaves its own, one that ends does not")
def publisher_will(t: Context) -> None:
    witness = t.connected()
    witness.subscribe([t.topic("will"), t.topic("x")], 1)
    options = ["-t", t.topic("x"), "-q", "1", *will_options(t, "gone", "1")]
    publish(tools(t), t.endpoint, *options, "-m", "done")
    program = Program(tools(t).pub, t.proxy(), *options, "-l")
    t.at_end(program.kill)
    program.wait_connected()
    program.write(b"a line\n")
    same(witness.take_payloads(2), [b"done", b"a line"], "messages")
    program.kill()
    same(witness.take_payloads(), [b"gone"], "will")


@for_tools("will: a subscriber that has its -C messages ends cleanly, so there is no will")
def counted(t: Context) -> None:
    no_will(t, lambda: publish(tools(t), t.endpoint, "-t", t.topic("x"), "-m", "x", "-q", "1"))


# mosquitto_sub 2.0 deadlocks now and then when a signal finds it in a callback.
@for_tools("will: SIGTERM and SIGINT end a subscriber cleanly, so there is no will", only=BURGEE)
def terminated(t: Context) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        no_will(t, None, number)


def no_will(t: Context, end: Callable[[], None] | None, number: int = 0) -> None:
    """End a subscriber with a will, by a message or by a signal, and see that none comes."""
    witness, identity = t.connected(), t.client_id()
    witness.subscribe(t.topic("will"), 1)
    options = ["-i", identity, "-t", t.topic("x"), "-C", "1", *will_options(t, "gone", "1")]
    program = Program(tools(t).sub, t.proxy(), *options)
    t.at_end(program.kill)
    program.wait_subscribed()
    if end is None:
        program.signal(number)
    else:
        end()
    program.finish()
    program.proxy.wait_for(wire.DISCONNECT, from_broker=False)
    # Once the same client is back, its old connection has been dealt with.
    back = t.connected(client_id=identity)
    witness.publish(t.topic("will"), b"fence", 1)
    same(witness.take_payloads(), [b"fence"], "payloads")
    back.disconnect()


@for_tools("will: a program with the same -i takes over, and the will is published")
def take_over(t: Context) -> None:
    witness, identity = t.connected(), t.client_id()
    witness.subscribe(t.topic("will"), 1)
    options = ["-t", t.topic("x"), "-i", identity, "-q", "1"]
    old = Program(tools(t).sub, t.proxy(), *options, *will_options(t, "taken over", "1"))
    t.at_end(old.kill)
    old.wait_subscribed()
    old.proxy.refuse()  # The old one may try again, but must not throw the new one out.
    new = Program(tools(t).sub, t.proxy(), *options, "-C", "1")
    t.at_end(new.kill)
    new.wait_subscribed()
    same(witness.take_payloads(), [b"taken over"], "will")
    old.proxy.wait_for_end()
    publish(tools(t), t.endpoint, "-t", t.topic("x"), "-m", "hello", "-q", "1")
    same(new.lines(), [b"hello"], "the newcomer")


@for_tools("$share: two programs get each message once between them")
def shared(t: Context) -> None:
    options = ["-t", "$share/crew/" + t.topic("work"), "-t", t.topic("end"), "-q", "1", "-C"]
    publisher = t.connected(version=V311)
    # Nobody knows how the work is divided, so each waits for one message of the other topic.
    members = [subscriber(t, *options, "100") for _ in range(2)]
    for number in range(100):
        publisher.publish(t.topic("work"), b"%d" % number, 1)
    for _ in range(100):
        publisher.publish(t.topic("end"), b"end", 1)
    got = [line for member in members for line in member.lines() if line != b"end"]
    same(sorted(got), sorted(b"%d" % number for number in range(100)), "all shares together")


def cut_subscriber(t: Context, cut: Cut) -> None:
    """A subscribing program whose connection is cut; it reconnects by itself."""
    program = Program(
        tools(t).sub, t.proxy(), "-c", "-i", t.client_id(), "-t", t.topic("cut"), "-q", "2",
        "-C", "2",
    )  # fmt: skip
    t.at_end(program.kill)
    program.wait_subscribed()
    program.proxy.cut_at(cut)
    publish(tools(t), t.endpoint, "-t", t.topic("cut"), "-m", "the message", "-q", "2")
    check(cut.happened.wait(WAIT), f"no cut at {cut}")
    program.proxy.wait_for(wire.CONNACK, from_broker=True, count=2)
    publish(tools(t), t.endpoint, "-t", t.topic("cut"), "-m", "the next", "-q", "2")
    same(program.lines(), [b"the message", b"the next"], f"after a cut at {cut}")


def cut_publisher(t: Context, cut: Cut) -> None:
    """A publishing program whose connection is cut; it may reconnect, or give up and say so."""
    witness = t.connected()
    witness.subscribe(t.topic("cut"), 2)
    proxy = t.proxy()
    proxy.cut_at(cut)
    program = Program(
        tools(t).pub, proxy, "-c", "-i", t.client_id(), "-t", t.topic("cut"), "-q", "2",
        "-m", "the message",
    )  # fmt: skip
    t.at_end(program.kill)
    ended = program.finish()
    check(cut.happened.is_set(), f"no cut at {cut}: {ended}")
    witness.publish(t.topic("cut"), b"fence", 2)
    got = witness.take_payloads()
    if got != [b"fence"]:
        same([*got, *witness.take_payloads()], [b"the message", b"fence"], f"cut at {cut}")
    else:
        check(ended.code != 0, f"it reports success, but the message was lost at {cut}")


def register() -> None:
    """One test for each packet of QoS 2, in both directions."""
    for label, kind, by_sender in (
        ("PUBLISH", wire.PUBLISH, True),
        ("PUBREC", wire.PUBREC, False),
        ("PUBREL", wire.PUBREL, True),
        ("PUBCOMP", wire.PUBCOMP, False),
    ):

        def inward(t: Context, kind: int = kind, by_sender: bool = by_sender) -> None:
            cut_publisher(t, Cut(kind, not by_sender))

        def outward(t: Context, kind: int = kind, by_sender: bool = by_sender) -> None:
            cut_subscriber(t, Cut(kind, by_sender))

        for_tools(f"QoS 2 cut, publisher to broker, {label} is lost")(inward)
        for_tools(f"QoS 2 cut, broker to subscriber, {label} is lost")(outward)


register()
