"""Wills: published when a client is lost, and only then."""

from __future__ import annotations

from ..clients.base import V31, V311, Will
from ..limits import same
from ..suite import Context, for_libraries


@for_libraries("will: a lost connection (FIN, RST) publishes it, at its QoS", V31, V311)
def lost_connection(t: Context) -> None:
    witness = t.connected()
    witness.subscribe(t.topic("will/+"), 2)
    for qos in range(3):
        for reset in (False, True):
            proxy = t.proxy()
            will = Will(t.topic(f"will/{qos}"), b"gone \xff %d" % qos, qos)
            t.connected(endpoint=proxy.endpoint, will=will)
            proxy.cut_now(reset)
            got = [(m.topic, m.payload, m.qos, m.retain) for m in witness.take(1)]
            same(got, [(will.topic, will.payload, qos, False)], f"QoS {qos}, reset {reset}")


@for_libraries("will: a retained one is kept for later subscribers", V31, V311)
def retained_will(t: Context) -> None:
    witness, proxy = t.connected(), t.proxy()
    topic = t.topic("will")
    witness.subscribe(topic, 1)
    t.connected(endpoint=proxy.endpoint, will=Will(topic, b"gone", 1, True))
    proxy.cut_now()
    same([(m.payload, m.retain) for m in witness.take(1)], [(b"gone", False)], "live")
    late = t.connected()
    late.subscribe(topic, 1)
    same([(m.payload, m.retain) for m in late.take(1)], [(b"gone", True)], "late")


@for_libraries("will: DISCONNECT deletes it", V31, V311)
def clean_end(t: Context) -> None:
    witness, proxy = t.connected(), t.proxy()
    witness.subscribe(t.topic("will"), 1)
    leaving = t.connected(endpoint=proxy.endpoint, will=Will(t.topic("will"), b"gone", 1))
    leaving.disconnect()
    proxy.wait_for_end()
    # The same client comes back, so its old connection has been dealt with in any case.
    t.connected(client_id=leaving.options.client_id).publish(t.topic("will"), b"fence", 1)
    same(witness.take_payloads(), [b"fence"], "payloads")


@for_libraries("will: a second client with the identifier takes over and the will is published")
def take_over(t: Context) -> None:
    witness = t.connected()
    witness.subscribe(t.topic("will"), 1)
    old = t.connected(will=Will(t.topic("will"), b"taken over", 1))
    new = t.connected(client_id=old.options.client_id)
    old.inbox.wait_closed()
    same(witness.take_payloads(), [b"taken over"], "payloads")
    new.subscribe(t.topic("new"), 1)
    new.publish(t.topic("new"), b"alive", 1)
    same(new.take_payloads(), [b"alive"], "the newcomer")


@for_libraries("take-over of a persistent session: it goes on where it was")
def take_over_session(t: Context) -> None:
    publisher, old = t.connected(), t.client(clean=False)
    old.connect()
    old.subscribe(t.topic("x"), 2)
    publisher.publish(t.topic("x"), b"1", 2)
    same(old.take_payloads(), [b"1"], "the old one")
    new = t.client(client_id=old.options.client_id, clean=False)
    same(new.connect().session_present, True, "session present")
    old.inbox.wait_closed()
    publisher.publish(t.topic("x"), b"2", 2)
    same(new.take_payloads(), [b"2"], "the new one")
