"""The same over TLS, WebSocket and both: what lies below must not show above."""

from __future__ import annotations

from ..clients.base import Will
from ..clients.cli import MOSQUITTO, address, run
from ..limits import check, pattern, same
from ..suite import Context, for_libraries, for_tools
from .tools_basics import tools

LARGE = 3_000_000


@for_libraries("each QoS arrives over mqtts, ws and wss, and across them")
def every_qos(t: Context) -> None:
    ends = [t.endpoint, *t.broker.others]
    subscribers = [t.connected(endpoint=end) for end in ends]
    for subscriber in subscribers:
        same(subscriber.subscribe(t.topic("+"), 2), [2], "SUBACK")
    expected = []
    for end in ends:
        publisher = t.connected(endpoint=end)
        for qos in range(3):
            publisher.publish(t.topic(f"{end.scheme}{qos}"), b"%d" % qos, qos)
            expected.append((t.topic(f"{end.scheme}{qos}"), b"%d" % qos, qos))
        publisher.disconnect()
    for end, subscriber in zip(ends, subscribers, strict=True):
        got = [(m.topic, m.payload, m.qos) for m in subscriber.take(len(expected))]
        same(sorted(got), sorted(expected), f"messages over {end.scheme}")


@for_libraries("a payload of 3 MB arrives whole over mqtts, ws and wss")
def large(t: Context) -> None:
    payload = pattern(LARGE, "large")
    for end in t.broker.others:
        client = t.connected(endpoint=end)
        client.subscribe(t.topic(end.scheme), 1)
        client.publish(t.topic(end.scheme), payload, 1)
        (message,) = client.take(1)
        check(message.carries(payload), f"over {end.scheme} something else came")


@for_libraries("a session is resumed over another transport")
def session(t: Context) -> None:
    ends = [t.endpoint, *t.broker.others]
    identity = t.client_id()
    publisher = t.connected()
    for number, end in enumerate(ends):
        client = t.client(endpoint=end, client_id=identity, clean=False)
        same(client.connect().session_present, number > 0, f"session present over {end.scheme}")
        if number == 0:
            client.subscribe(t.topic("kept"), 1)
        else:
            same(client.take_payloads(), [b"%d" % number], f"what waited for {end.scheme}")
        client.disconnect()
        publisher.publish(t.topic("kept"), b"%d" % (number + 1), 1)


@for_libraries("a client that vanishes without a word leaves its will over each transport")
def wills(t: Context) -> None:
    witness = t.connected()
    witness.subscribe(t.topic("will/+"), 1)
    for end in t.broker.others:
        will = Will(t.topic(f"will/{end.scheme}"), b"gone", 1)
        identity = t.client_id()
        t.connected(endpoint=end, client_id=identity, will=will)
        # Another one with its name: the broker ends the first without its having said anything.
        t.connected(endpoint=end, client_id=identity)
        (message,) = witness.take(1)
        same(message.topic, will.topic, "will")


@for_tools("TLS with --cafile, in both versions", only=MOSQUITTO)
def with_tls(t: Context) -> None:
    for end in t.broker.others:
        if end.scheme != "mqtts":
            continue
        for version in ("tlsv1.2", "tlsv1.3"):
            topic = t.topic(version)
            common = [*address(end), "--cafile", end.ca, "--tls-version", version, "-q", "1"]
            ended = run([*tools(t).pub, *common, "-t", topic, "-m", "kept", "-r"])
            same((ended.code, ended.errors), (0, ""), "publishing: status and errors")
            ended = run([*tools(t).sub, *common, "-t", topic, "-C", "1"])
            same((ended.code, ended.out), (0, b"kept\n"), "subscribing: status and output")


@for_tools("TLS with an authority that did not sign is refused", only=MOSQUITTO)
def wrong_authority(t: Context) -> None:
    for end in t.broker.others:
        if end.scheme == "mqtts":
            stranger = "/etc/ssl/certs/ca-certificates.crt"
            command = [*tools(t).pub, *address(end), "--cafile", stranger, "-t", t.topic("x"), "-m", "x"]
            check(run(command).code != 0, "it published to a broker that it cannot trust")
