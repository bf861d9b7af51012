"""mosquitto_pub, mosquitto_sub and mosquitto_rr: options that only they have."""

from __future__ import annotations

from ..clients.cli import MOSQUITTO, Program, address, publish, run
from ..limits import check, same
from ..suite import Context, for_tools
from .tools_basics import subscriber, tools


@for_tools("-V mqttv31 and mqttv311 understand each other", only=MOSQUITTO)
def versions(t: Context) -> None:
    names = ("mqttv31", "mqttv311")
    programs = [subscriber(t, "-V", v, "-t", t.topic("v"), "-q", "2", "-C", "6") for v in names]
    for version in names:
        for qos in "012":
            options = ["-V", version, "-t", t.topic("v"), "-q", qos, "-i", t.client_id()]
            publish(tools(t), t.endpoint, *options, "-m", f"{version} {qos}")
    expected = sorted(f"{version} {qos}".encode() for version in names for qos in "012")
    for program in programs:
        same(sorted(program.lines()), expected, "lines")


@for_tools("-V mqttv31: a persistent session and a will", only=MOSQUITTO)
def old_version(t: Context) -> None:
    identity = ["-V", "mqttv31", "-c", "-i", t.client_id(), "-t", t.topic("old"), "-q", "1"]
    will = ["--will-topic", t.topic("will"), "--will-payload", "gone", "--will-qos", "2"]
    witness = t.connected()
    witness.subscribe(t.topic("will"), 2)
    first = Program(tools(t).sub, t.proxy(), *identity, *will)
    t.at_end(first.kill)
    first.wait_subscribed()
    first.kill()
    same([(m.payload, m.qos) for m in witness.take(1)], [(b"gone", 2)], "will")
    publish(tools(t), t.endpoint, "-t", t.topic("old"), "-m", "waits", "-q", "1")
    second = Program(tools(t).sub, t.proxy(), *identity, "-C", "1")
    t.at_end(second.kill)
    same(second.lines(), [b"waits"], "lines")


@for_tools("mosquitto_rr gets its answer", only=MOSQUITTO)
def request_response(t: Context) -> None:
    for version in ("mqttv31", "mqttv311"):
        helper = t.connected()
        question, answer = t.topic(f"{version}/question"), t.topic(f"{version}/answer")
        helper.subscribe(question, 1)
        options = ["-V", version, "-t", question, "-e", answer, "-q", "1", "-m", "6 x 7?"]
        program = Program(("mosquitto_rr",), t.proxy(), *options, "-i", t.client_id(), "-W", "15")
        t.at_end(program.kill)
        same(helper.take_payloads(), [b"6 x 7?"], "question")
        helper.publish(answer, b"42", 1)
        same(program.lines(), [b"42"], "answer")


@for_tools("-W ends after its time, with status 27", only=MOSQUITTO)
def time_limit(t: Context) -> None:
    ended = run([*tools(t).sub, *address(t.endpoint), "-t", t.topic("silent"), "-W", "1"])
    same((ended.code, ended.out), (27, b""), "status and output")


@for_tools("-F prints retain, QoS and length as the broker sent them", only=MOSQUITTO)
def formatted(t: Context) -> None:
    publish(tools(t), t.endpoint, "-t", t.topic("f"), "-m", "kept", "-r", "-q", "2")
    program = subscriber(t, "-t", t.topic("f"), "-q", "1", "-F", "%r %q %l %t %p", "-C", "2")
    publish(tools(t), t.endpoint, "-t", t.topic("f"), "-m", "live", "-r", "-q", "0")
    got = [line.decode() for line in program.lines()]
    same(got, [f"1 1 4 {t.topic('f')} kept", f"0 0 4 {t.topic('f')} live"], "lines")


@for_tools("--retained-only stops at a live message, --remove-retained removes", only=MOSQUITTO)
def retained_only(t: Context) -> None:
    for name in "abc":
        publish(tools(t), t.endpoint, "-t", t.topic(f"r/{name}"), "-m", name, "-r", "-q", "1")
    options = ["-t", t.topic("r/+"), "-t", t.topic("live"), "-q", "1"]
    reading = subscriber(t, *options, "--retained-only")
    publish(tools(t), t.endpoint, "-t", t.topic("live"), "-m", "live", "-q", "1")
    same(sorted(reading.lines()), [b"a", b"b", b"c"], "kept")
    witness = t.connected()
    witness.subscribe(t.topic("r/+"), 1)
    same({m.retain for m in witness.take(3)}, {True}, "what a library sees")
    subscriber(t, *options, "--remove-retained")
    same([(m.size, m.retain) for m in witness.take(3)], [(0, False)] * 3, "removals")
    late = subscriber(t, *options, "-C", "1")
    publish(tools(t), t.endpoint, "-t", t.topic("live"), "-m", "fence", "-q", "1")
    same(late.lines(), [b"fence"], "afterwards")


@for_tools("-E ends when the subscription is acknowledged", only=MOSQUITTO)
def ends_at_once(t: Context) -> None:
    ended = run([*tools(t).sub, *address(t.endpoint), "-t", t.topic("x"), "-E"])
    same((ended.code, ended.out, ended.errors), (0, b"", ""), "status, output, errors")


@for_tools("-U unsubscribes from what a session had", only=MOSQUITTO)
def unsubscribe(t: Context) -> None:
    identity = ["-c", "-i", t.client_id(), "-q", "1"]
    both = ["-t", t.topic("a"), "-t", t.topic("b")]
    same(run([*tools(t).sub, *address(t.endpoint), *identity, *both, "-E"]).code, 0, "status")
    only_b = ["-t", t.topic("b"), "-U", t.topic("a"), "-C", "1"]
    program = Program(tools(t).sub, t.proxy(), *identity, *only_b)
    t.at_end(program.kill)
    program.proxy.wait_for(11, from_broker=True)  # UNSUBACK
    publish(tools(t), t.endpoint, "-t", t.topic("a"), "-m", "a", "-q", "1")
    publish(tools(t), t.endpoint, "-t", t.topic("b"), "-m", "b", "-q", "1")
    same(program.lines(), [b"b"], "lines")


@for_tools("$SYS shows the version and the number of clients", only=MOSQUITTO)
def sys_topics(t: Context) -> None:
    names = ["$SYS/broker/version", "$SYS/broker/clients/connected"]
    options = ["-t", names[0], "-t", names[1], "-v", "-C", "2"]
    got = subscriber(t, *options).lines()
    topics = sorted({line.split(b" ", 1)[0].decode() for line in got})
    same(topics, sorted(names), "topics")
    check(all(len(line.split(b" ", 1)[1]) > 0 for line in got), f"empty values: {got}")
