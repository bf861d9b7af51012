"""Offers a broker with a memory limit far more than that, for clients that are away and clients that do not read.

What must hold: the broker's memory never exceeds its limit (the kernel's own high-water mark is asked), everything that it
acknowledged is delivered or counted as dropped, once and whole, and it serves a well-behaved client all the while. Every
message differs from every other. Deliberately absent: speed.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "crash"))

from crash import wire  # noqa: E402  the bytes of MQTT, shared with the crash tests

PAYLOAD = 64 * 1024
WINDOW = 16
PATIENCE = 120.0
BLOCK = os.urandom(PAYLOAD * 2)

# How many of each kind, its QoS, whether its session is kept, whether it is away.
KINDS = {
    "away": (16, 1, True, True),
    "kept, not reading": (8, 1, True, False),
    "clean, not reading, QoS 1": (8, 1, False, False),
    "clean, not reading, QoS 0": (8, 0, False, False),
}


class Failed(Exception):
    """The broker broke a promise, or was not there to keep it."""


def payload(receiver: int, number: int) -> bytes:
    """Different from every other, and able to say so itself."""
    start = (receiver * 7919 + number * 104_729) % PAYLOAD
    body = struct.pack(">II", receiver, number) + BLOCK[start : start + PAYLOAD - 12]
    return body + struct.pack(">I", zlib.crc32(body))


def read(body: bytes) -> tuple[int, int]:
    """Receiver and number of a payload that is whole."""
    (told,) = struct.unpack(">I", body[-4:])
    if zlib.crc32(body[:-4]) != told:
        raise Failed("a payload was changed")
    return struct.unpack(">II", body[:8])


class Client:
    """One connection with blocking reads."""

    def __init__(self, port: int, client_id: str, clean: bool, small: bool = False) -> None:
        self.socket = socket.socket()
        if small:
            # The kernel must not swallow what the broker is to hold.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.inbox = wire.Inbox()
        self.waiting: list[tuple[int, bytes]] = []
        self.socket.sendall(wire.connect(client_id, clean))
        kind, body = self.packet()
        if kind & 0xF0 != wire.CONNACK or body[1] != 0:
            raise Failed(f"{client_id} was not let in: {body!r}")
        self.resumed = body[0] == 1

    def packet(self) -> tuple[int, bytes]:
        """The next packet; EOFError if the broker closed."""
        while not self.waiting:
            try:
                data = self.socket.recv(256 * 1024)
            except ConnectionResetError as error:
                raise EOFError from error
            if not data:
                raise EOFError
            self.waiting.extend(self.inbox.packets(data))
        return self.waiting.pop(0)

    def subscribe(self, topic_filter: str, qos: int) -> None:
        """Subscribes; the answer must grant it. What came in before is kept."""
        self.socket.sendall(wire.subscribe(1, topic_filter, qos))
        kept = []
        while True:
            kind, body = self.packet()
            if kind & 0xF0 == wire.SUBACK:
                break
            kept.append((kind, body))
        self.waiting[:0] = kept
        if body[2:] != bytes([qos]):
            raise Failed(f"subscription refused: {body!r}")

    def close(self) -> None:
        """Leaves in peace."""
        self.socket.sendall(wire.DISCONNECT)
        self.socket.close()


class Receiver:
    """One of those that do not take what they are owed, and later do."""

    def __init__(self, port: int, number: int, kind: str) -> None:
        _, self.qos, self.kept, self.away = KINDS[kind]
        self.port, self.number, self.kind = port, number, kind
        self.name, self.topic = f"memory-{number}", f"memory/{number}"
        self.offered = 0
        self.got: set[int] = set()
        self.closed = False
        self.client = Client(port, self.name, not self.kept, small=True)
        self.client.subscribe(self.topic, self.qos)
        if self.away:
            self.client.close()

    def take(self, until_marker: threading.Event) -> None:
        """Reads everything until the marker. A kept session comes back after it was closed; a clean one is gone."""
        try:
            while True:
                try:
                    if self.away:
                        self.client, self.away = Client(self.port, self.name, False), False
                        if not self.client.resumed:
                            raise Failed(f"the session of {self.name} is lost")
                    self.drain()
                    return
                except EOFError:
                    self.closed = True
                    if not self.kept:
                        return
                    self.away = True
        finally:
            until_marker.set()

    def drain(self) -> None:
        while True:
            kind, body = self.client.packet()
            if kind & 0xF0 != wire.PUBLISH:
                continue
            _, pid, content = wire.opened(kind, body)
            if pid:
                self.client.socket.sendall(wire.acknowledgement(wire.PUBACK, pid))
            if content == b"marker":
                return
            receiver, number = read(content)
            if receiver != self.number:
                raise Failed(f"{self.name} got a message of another")
            if number in self.got and not kind & 0x08:
                raise Failed(f"{self.name} got {number} twice without DUP")
            self.got.add(number)


class Watch:
    """Reads $SYS as any client would; it is the well-behaved one, too."""

    def __init__(self, port: int) -> None:
        self.values: dict[str, int] = {}
        self.changed = threading.Condition()
        self.ended = False
        self.client = Client(port, "memory-watch", True)
        self.client.subscribe("$SYS/broker/#", 0)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        try:
            while True:
                kind, body = self.client.packet()
                if kind & 0xF0 == wire.PUBLISH:
                    topic, _, content = wire.opened(kind, body)
                    if content.isdigit():
                        with self.changed:
                            self.values[topic.removeprefix("$SYS/broker/")] = int(content)
                            self.changed.notify_all()
        except (EOFError, OSError):
            with self.changed:
                self.ended = True
                self.changed.notify_all()

    def until(self, what: str, condition) -> dict[str, int]:
        """Waits for the counters to be so."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.ended or condition(self.values), PATIENCE):
                raise Failed(f"the counters never said {what}: {self.values}")
            if self.ended and not condition(self.values):
                raise Failed("a well-behaved client was disconnected")
            return dict(self.values)


def publisher(port: int, number: int, work: list[tuple[Receiver, int]], failures: list[Exception]) -> None:
    """Sends its part with a window, until everything is acknowledged."""
    try:
        client = Client(port, f"memory-publisher-{number}", True)
        sent = acknowledged = 0
        while acknowledged < len(work):
            while sent < len(work) and sent - acknowledged < WINDOW:
                receiver, message = work[sent]
                body = payload(receiver.number, message)
                client.socket.sendall(wire.publish(receiver.topic, body, 1, sent % 65_535 + 1))
                sent += 1
            kind, _ = client.packet()
            acknowledged += kind & 0xF0 == wire.PUBACK
        client.close()
    except Exception as error:  # noqa: BLE001  told by the main thread
        failures.append(error)


def in_threads(jobs) -> None:
    threads = [threading.Thread(target=job, args=arguments) for job, *arguments in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def high_water(process: int) -> int:
    """The most memory that the process ever had in use, in bytes: the kernel's word."""
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise Failed("the kernel does not say how much memory was used")


def dropped(values: dict[str, int]) -> int:
    kinds = ("queue_full", "outbox_full", "memory")
    return sum(values.get(f"burgee/dropped/{kind}", 0) for kind in kinds)


def story(port: int, process: int, options: argparse.Namespace) -> None:
    watch = Watch(port)
    receivers = []
    for kind, (count, *_) in KINDS.items():
        receivers += [Receiver(port, len(receivers) + place, kind) for place in range(count)]
    messages = options.mib * (1024 * 1024) // PAYLOAD
    parts: list[list[tuple[Receiver, int]]] = [[] for _ in range(4)]
    for place in range(messages):
        receiver = receivers[place % len(receivers)]
        parts[receiver.number % len(parts)].append((receiver, receiver.offered))
        receiver.offered += 1
    failures: list[Exception] = []
    begun = time.monotonic()
    in_threads((publisher, port, number, part, failures) for number, part in enumerate(parts))
    if failures:
        raise Failed(f"a publisher was not served: {failures[0]!r}")
    offered_in = time.monotonic() - begun
    peak = high_water(process)
    at_peak = watch.until("that all has come", lambda values: values.get("publish/messages/received", 0) >= messages)

    taken = [threading.Event() for _ in receivers]
    errors: list[Exception] = []

    def take(receiver: Receiver, event: threading.Event) -> None:
        try:
            receiver.take(event)
        except Exception as error:  # noqa: BLE001  told below
            errors.append(error)

    threads = [threading.Thread(target=take, args=pair, daemon=True) for pair in zip(receivers, taken, strict=True)]
    for thread in threads:
        thread.start()
    watch.until("that the queues are empty", lambda values: values.get("store/messages/count", 1) == 0)
    marker = Client(port, "memory-marker", True)
    for receiver, event in zip(receivers, taken, strict=True):
        if not event.is_set():
            marker.socket.sendall(wire.publish(receiver.topic, b"marker", 1, receiver.number + 1))
    for thread in threads:
        thread.join(PATIENCE)
        if thread.is_alive():
            raise Failed("somebody waits for his marker for ever")
    if errors:
        raise errors[0]
    peak = max(peak, high_water(process))
    # The counters are as old as the last round of them: one more has to come.
    before = watch.values.get("messages/received", 0)
    values = watch.until("anything new", lambda values: values.get("messages/received", 0) > before)

    judge(options, receivers, values, peak)
    mib = 1024 * 1024
    print(f"{messages} messages of {PAYLOAD} bytes, all different: {messages * PAYLOAD // mib} MiB offered in {offered_in:.0f} s")
    print(f"limit {options.limit} MiB; most memory in use {peak / mib:.0f} MiB; counted by the broker then {at_peak.get('burgee/memory/held', 0) / mib:.0f} MiB")
    for kind in KINDS:
        group = [receiver for receiver in receivers if receiver.kind == kind]
        offered, got = sum(r.offered for r in group), sum(len(r.got) for r in group)
        print(f"  {kind}: offered {offered}, delivered {got}, dropped {offered - got}, closed {sum(r.closed for r in group)}")
    counts = {kind: values.get(f"burgee/dropped/{kind}", 0) for kind in ("queue_full", "outbox_full", "memory")}
    print(f"  counted as dropped: {counts}; closed for memory: {values.get('burgee/connections/closed_for_memory', 0)}")


def judge(options: argparse.Namespace, receivers: list[Receiver], values: dict[str, int], peak: int) -> None:
    if peak > options.limit * 1024 * 1024:
        raise Failed(f"{peak} bytes were in use, {options.limit} MiB is the limit")
    missing = sum(receiver.offered - len(receiver.got) for receiver in receivers)
    # With a clean session that was closed goes what waited for it; that was not dropped.
    gone = sum(r.offered - len(r.got) for r in receivers if r.closed and not r.kept)
    counted = dropped(values)
    if not missing - gone <= counted <= missing:
        raise Failed(f"{missing} messages did not come, {gone} of them with their sessions, and {counted} are counted")
    if counted == 0:
        raise Failed("nothing was dropped: that was no test of a limit")
    closed = sum(receiver.closed for receiver in receivers)
    if closed != values.get("burgee/connections/closed_for_memory", 0):
        raise Failed(f"{closed} were closed, {values.get('burgee/connections/closed_for_memory')} are counted")


def serve(options: argparse.Namespace, directory: str) -> subprocess.Popen[str]:
    command = [options.program, "serve", "--listen", "tcp://127.0.0.1:0", "--data", f"{directory}/data"]
    command += ["--queue-bytes", f"{options.queue}MiB", "--sys-interval", "1"]
    if not options.must_fail:
        command += ["--memory-limit", f"{options.limit}MiB"]
    command += ["--shards", str(options.shards), "--log", "warn"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="the burgee to run")
    parser.add_argument("--mib", type=int, default=2048, help="what is offered in all")
    parser.add_argument("--limit", type=int, default=256, help="the memory limit, in MiB")
    parser.add_argument("--queue", type=int, default=24, help="the limit of one session's queue, in MiB")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--must-fail", action="store_true", help="do not tell the broker of its limit: it has to be found out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BURGEE_TEST_DIR")) as directory:
        broker = serve(options, directory)
        try:
            port = int(broker.stdout.readline().rsplit(":", 1)[1])
            story(port, broker.pid, options)
            broker.terminate()
            if broker.wait(PATIENCE) != 0:
                raise Failed(f"the broker ended with {broker.returncode}")
        except Failed as error:
            print(f"memory: {error}", file=sys.stderr)
            return 0 if options.must_fail and "is the limit" in str(error) else 1
        finally:
            if broker.poll() is None:
                broker.kill()
                broker.wait()
    return 1 if options.must_fail else 0


if __name__ == "__main__":
    sys.exit(main())
