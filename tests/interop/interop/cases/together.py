"""Different clients talking with each other through the broker."""

from __future__ import annotations

from ..clients.cli import Program, publish
from ..limits import same
from ..suite import LIBRARIES, Context, for_tools


@for_tools("each client hears each other one, at every QoS, text and emoji alike")
def everybody(t: Context) -> None:
    assert t.tools is not None
    libraries = [t.connected(library) for library in LIBRARIES]
    total = 3 * (len(libraries) + 1)
    options = ["-t", t.topic("talk/#"), "-q", "2", "-v", "-C", str(total), "-i", t.client_id()]
    program = Program(t.tools.sub, t.proxy(), *options)
    t.at_end(program.kill)
    program.wait_subscribed()
    for library in libraries:
        library.subscribe(t.topic("talk/#"), 2)
    expected = []
    for qos in range(3):
        for number, library in enumerate(libraries):
            topic, text = t.topic(f"talk/{number}/ä"), f"QoS {qos} from {number} 🐝"
            library.publish(topic, text.encode(), qos)
            expected.append((topic, text, qos))
        topic, text = t.topic("talk/program/ä"), f"QoS {qos} from a program 🐝"
        publish(t.tools, t.endpoint, "-t", topic, "-m", text, "-q", str(qos))
        expected.append((topic, text, qos))
    for library in libraries:
        got = [(m.topic, m.payload.decode(), m.qos) for m in library.take(total)]
        same(sorted(got), sorted(expected), "what a library heard")
    lines = sorted(line.decode() for line in program.lines())
    same(lines, sorted(f"{topic} {text}" for topic, text, _ in expected), "what the program heard")
