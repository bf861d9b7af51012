"""Connections that die without a word."""

from __future__ import annotations

from .. import wire
from ..clients.base import V31, V311, Will
from ..clients.cli import Program
from ..limits import check, same
from ..suite import Context, for_libraries, for_tools

CLI_KEEP_ALIVE = "5"
"""The shortest that mosquitto_sub accepts."""


@for_libraries("keep-alive: an idle client that pings stays connected")
def idle(t: Context) -> None:
    proxy = t.proxy()
    # Not shorter: on a busy machine MQTT.js would give up its own connection.
    client = t.connected(endpoint=proxy.endpoint, keep_alive=5)
    proxy.wait_for(wire.PINGREQ, from_broker=False, count=2)
    client.subscribe(t.topic("idle"), 1)
    client.publish(t.topic("idle"), b"still here", 1)
    same(client.take_payloads(), [b"still here"], "payloads")
    connects = sum(1 for seen in proxy.seen() if seen.kind == wire.CONNECT)
    check(connects == 1, f"it connected {connects} times")


@for_tools("keep-alive: a black hole leads to the will")
def tool_black_hole(t: Context) -> None:
    assert t.tools is not None
    witness, proxy = t.connected(), t.proxy()
    witness.subscribe(t.topic("will"), 1)
    options = ["-t", t.topic("x"), "-i", t.client_id(), "-k", CLI_KEEP_ALIVE]
    options += ["--will-topic", t.topic("will"), "--will-payload", "gone", "--will-qos", "1"]
    program = Program(t.tools.sub, proxy, *options)
    t.at_end(program.kill)
    program.wait_subscribed()
    proxy.black_hole()
    same(witness.take_payloads(), [b"gone"], "will")


@for_libraries("keep-alive: a black hole leads to the will", V31, V311)
def black_hole(t: Context) -> None:
    witness, proxy = t.connected(), t.proxy()
    witness.subscribe(t.topic("will"), 1)
    t.connected(endpoint=proxy.endpoint, keep_alive=2, will=Will(t.topic("will"), b"gone", 1))
    proxy.black_hole()
    same(witness.take_payloads(), [b"gone"], "will")
