"""Clients of a version that the broker does not speak."""

from __future__ import annotations

from .. import wire
from ..clients.base import V5, V311
from ..clients.cli import address, run
from ..limits import check, same
from ..suite import Context, for_libraries, for_tools

CODE_1 = bytes([0x20, 2, 0, 1])
"""CONNACK: unacceptable protocol version."""


@for_libraries("MQTT 5 is refused with code 1, the client says so, and 3.1.1 works next", V5)
def version_5(t: Context) -> None:
    proxy = t.proxy()
    client = t.client(endpoint=proxy.endpoint)
    answer = client.try_connect()
    same([s.head for s in proxy.seen() if s.from_broker], [CODE_1], "what the broker sent")
    proxy.wait_for_end()
    check(not answer.accepted, "the library believes that it is connected")
    lower = t.connected(version=V311)
    lower.subscribe(t.topic("x"), 1)
    lower.publish(t.topic("x"), b"fallen back", 1)
    same(lower.take_payloads(), [b"fallen back"], "payloads")


@for_tools("MQTT 5 is refused, and the program says so", only="mosquitto")
def tool_version_5(t: Context) -> None:
    assert t.tools is not None
    proxy = t.proxy()
    options = ["-V", "mqttv5", "-t", t.topic("x"), "-m", "x"]
    ended = run([*t.tools.pub, *address(proxy.endpoint), *options])
    check(ended.code != 0, "mosquitto_pub reports success")
    same([s.head for s in proxy.seen() if s.from_broker], [CODE_1], "what the broker sent")
    check("protocol version" in ended.errors.lower(), f"its errors: {ended.errors!r}")
    same([s.kind for s in proxy.seen()], [wire.CONNECT, wire.CONNACK], "packets")
