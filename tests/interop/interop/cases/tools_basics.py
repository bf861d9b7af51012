"""Command line programs: messages in, messages out. Only options that both families have."""

from __future__ import annotations

from .. import wire
from ..clients.base import V311
from ..clients.cli import MOSQUITTO, Program, Tools, address, publish, run
from ..limits import check, pattern, same
from ..proxy import Endpoint
from ..suite import Context, for_tools

MIB = 1 << 20


def tools(t: Context) -> Tools:
    """The programs of this test."""
    assert t.tools is not None
    return t.tools


def subscriber(t: Context, *options: str, endpoint: Endpoint | None = None) -> Program:
    """A subscribing program that has its SUBACK."""
    program = Program(tools(t).sub, t.proxy(endpoint), "-i", t.client_id(), *options)
    t.at_end(program.kill)
    program.wait_subscribed()
    return program


@for_tools("-m, -n, -s and -f send 16 MiB, 1 MiB, text and nothing, unchanged")
def payload_options(t: Context) -> None:
    topic, folder = t.topic("payload"), t.folder()
    small, large = folder / "small", folder / "large"
    small.write_bytes(bytes(range(256)))
    large.write_bytes(pattern(16 * MIB, "cli"))
    ways: tuple[tuple[list[str], bytes | None, bytes], ...] = (
        (["-m", "hello"], None, b"hello"),
        (["-n"], None, b""),
        (["-s"], pattern(MIB, "cli"), pattern(MIB, "cli")),
        (["-f", str(large)], None, large.read_bytes()),
        (["-f", str(small)], None, small.read_bytes()),
    )
    witness = t.connected()
    witness.subscribe(topic, 2)
    for qos in ("0", "1", "2"):
        program = subscriber(t, "-t", topic, "-q", qos, "-C", str(len(ways)))
        for number, (options, stdin, expected) in enumerate(ways, 1):
            publish(tools(t), t.endpoint, "-t", topic, "-q", qos, *options, stdin=stdin)
            # One after the other: QoS 0 may be dropped while megabytes are still on their way.
            message = witness.take(1)[0]
            check(message.carries(expected), f"QoS {qos}: {len(expected)} bytes came as {message}")
            same(message.qos, int(qos), "QoS")
            program.proxy.wait_for(wire.PUBLISH, from_broker=True, count=number)
        # Whether an empty message prints an empty line is each program's own affair.
        sent = [expected for _, _, expected in ways]
        shown = (sent, [one for one in sent if one])
        out = program.finish().out
        check(
            out in [b"".join(one + b"\n" for one in each) for each in shown],
            f"QoS {qos}: the output differs",
        )


@for_tools("-l sends a message a line, in order")
def lines(t: Context) -> None:
    topic = t.topic("lines")
    text = [f"line {number} ß" for number in range(500)]
    for qos in ("0", "1", "2"):
        program = subscriber(t, "-t", topic, "-q", qos, "-C", "500")
        publish(
            tools(t), t.endpoint, "-t", topic, "-q", qos, "-l",
            stdin="".join(f"{one}\n" for one in text).encode(),
        )  # fmt: skip
        same([line.decode() for line in program.lines()], text, f"lines of QoS {qos}")


@for_tools("-l sends each line as it comes, not at the end of input")
def lines_at_once(t: Context) -> None:
    program = subscriber(t, "-t", t.topic("lines"), "-C", "1")
    feeder = Program(tools(t).pub, t.proxy(), "-t", t.topic("lines"), "-l")
    t.at_end(feeder.kill)
    feeder.wait_connected()
    feeder.write(b"now\n")
    same(program.lines(), [b"now"], "lines")
    same(feeder.finish().code, 0, "status at the end of input")


@for_tools("-v prints the topic, and several -t subscribe to several")
def verbose(t: Context) -> None:
    program = subscriber(t, "-v", "-t", t.topic("a/+"), "-t", t.topic("b/#"), "-q", "1", "-C", "3")
    for topic, text in (("a/1", "one"), ("c", "no"), ("b", "two"), ("b/x/ü", "drei ü")):
        publish(tools(t), t.endpoint, "-t", t.topic(topic), "-m", text, "-q", "1")
    got = [line.decode() for line in program.lines()]
    same(
        got, [f"{t.topic('a/1')} one", f"{t.topic('b')} two", f"{t.topic('b/x/ü')} drei ü"], "lines"
    )


@for_tools("each QoS, published and granted, once")
def every_qos(t: Context) -> None:
    programs = [subscriber(t, "-t", t.topic("q"), "-q", q, "-C", "4") for q in "012"]
    for qos in "012":
        publish(tools(t), t.endpoint, "-t", t.topic("q"), "-m", f"QoS {qos}", "-q", qos)
    publish(tools(t), t.endpoint, "-t", t.topic("q"), "-m", "last", "-q", "0")
    for program in programs:
        same(sorted(program.lines()), [b"QoS 0", b"QoS 1", b"QoS 2", b"last"], "lines")


@for_tools("-r keeps a message, -r -n clears it")
def retained(t: Context) -> None:
    topic = t.topic("kept")
    for qos in "012":
        publish(tools(t), t.endpoint, "-t", topic, "-m", f"kept {qos}", "-r", "-q", qos)
        same(
            subscriber(t, "-t", topic, "-q", "2", "-C", "1").lines(),
            [b"kept %s" % qos.encode()],
            "kept",
        )
    publish(tools(t), t.endpoint, "-t", topic, "-r", "-n", "-q", "1")
    program = subscriber(t, "-t", topic, "-q", "1", "-C", "1")
    publish(tools(t), t.endpoint, "-t", topic, "-m", "fence", "-q", "1")
    same(program.lines(), [b"fence"], "after clearing")


@for_tools("1,000 topics: a -t for each, and one wildcard for all")
def thousand_topics(t: Context) -> None:
    topics = [t.topic(f"t/{number}") for number in range(1000)]
    listed = [option for topic in topics for option in ("-t", topic)]
    each = subscriber(t, *listed, "-q", "1", "-v", "-C", "1000")
    every = subscriber(t, "-t", t.topic("t/+"), "-v", "-C", "1000")
    publisher = t.connected()
    pending = [publisher.start_publish(topic, b"x", 1, False) for topic in topics]
    for one in pending:
        one.wait()
    for program in (each, every):
        same(program.lines(), [f"{topic} x".encode() for topic in topics], "lines")


@for_tools("a topic of 65,535 bytes")
def longest_topic(t: Context) -> None:
    topic = t.topic("long/").ljust(65_535, "x")
    program = subscriber(t, "-t", topic, "-v", "-C", "1")
    publish(tools(t), t.endpoint, "-t", topic, "-m", "far")
    check(program.lines() == [f"{topic} far".encode()], "the line differs")


@for_tools("-u, -P, -k and -i are accepted")
def user_and_keep_alive(t: Context) -> None:
    common = ["-u", "Jürgen", "-P", "geheim", "-k", "30", "-t", t.topic("user")]
    program = subscriber(t, *common, "-C", "1")
    publish(tools(t), t.endpoint, *common, "-m", "hello", "-i", t.client_id())
    same(program.lines(), [b"hello"], "lines")


@for_tools("IPv6 loopback")
def ipv6(t: Context) -> None:
    end = t.broker.ipv6
    if end is None or t.endpoint != t.broker.endpoint:
        return
    program = subscriber(t, "-t", t.topic("v6"), "-C", "1", endpoint=end)
    publish(tools(t), end, "-t", t.topic("v6"), "-m", "over ::1", "-q", "2")
    same(program.lines(), [b"over ::1"], "lines")


@for_tools("nobody there: an error and a status that is not 0")
def nobody_there(t: Context) -> None:
    gone = t.proxy()
    gone.close()
    for command in (tools(t).pub, tools(t).sub):
        options = ["-t", t.topic("x")] + (["-m", "x"] if command == tools(t).pub else ["-C", "1"])
        ended = run([*command, *address(gone.endpoint), *options])
        check(ended.code != 0 and ended.errors != "", f"{command}: {ended}")


@for_tools("wrong topics and filters are refused before anything is sent")
def wrong_topics(t: Context) -> None:
    proxy = t.proxy()
    for command, topic, more in (
        (tools(t).pub, "a/#", ["-m", "x"]),
        (tools(t).pub, "", ["-m", "x"]),
        (tools(t).sub, "a/#/b", ["-C", "1"]),
        (tools(t).sub, "a+", ["-C", "1"]),
    ):
        ended = run([*command, *address(proxy.endpoint), "-t", topic, *more])
        check(ended.errors != "", f"{command[-1]} -t {topic}: {ended}")
        # mosquitto_pub 2.0 says "Invalid input" and ends with 0.
        check(ended.code != 0 or tools(t).family == MOSQUITTO, f"-t {topic}: {ended}")
    kinds = {seen.kind for seen in proxy.seen()}
    check(not kinds & {wire.PUBLISH, wire.SUBSCRIBE}, f"packet types {kinds}")


@for_tools("-r and -q reach other clients as they were given")
def flags_on_the_wire(t: Context) -> None:
    witness = t.connected(version=V311)
    publish(tools(t), t.endpoint, "-t", t.topic("f"), "-m", "x", "-r", "-q", "2")
    witness.subscribe(t.topic("f"), 2)
    same([(m.payload, m.qos, m.retain) for m in witness.take(1)], [(b"x", 2, True)], "message")
