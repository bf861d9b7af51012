"""MQTT.js: its clients live in one Node process that takes orders as lines of JSON."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import processes
from ..limits import WAIT, Failure
from .base import Client, ConnAck, Message, Options, Pending


class Answer(Pending):
    """The agent's answer to one order."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._came = threading.Event()
        self._body: dict[str, Any] = {}

    def give(self, body: dict[str, Any]) -> None:
        """The answer has come."""
        self._body = body
        self._came.set()

    def wait(self) -> None:
        self.value()

    def value(self) -> Any:
        """What the order returned; a Failure if MQTT.js reported an error."""
        if not self._came.wait(WAIT):
            raise Failure(f"{self._what}: MQTT.js did not finish within {WAIT} s")
        if "error" in self._body:
            raise Failure(f"{self._what}: {self._body['error']}")
        return self._body.get("value")


class Agent:
    """The Node process. It ends when its standard input is closed."""

    def __init__(self, script: Path, modules: Path) -> None:
        self._process = processes.start(
            ["node", str(script), str(modules)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lock = threading.Lock()
        self._answers: dict[int, Answer] = {}
        self._clients: dict[str, MqttJsClient] = {}
        self._next = 0
        threading.Thread(target=self._read, daemon=True).start()

    def add(self, client: MqttJsClient) -> str:
        """A name for a new client, to which its events will be told."""
        with self._lock:
            self._next += 1
            name = f"js{self._next}"
            self._clients[name] = client
        return name

    def order(self, client: str, op: str, **arguments: object) -> Answer:
        """Send one order."""
        stdin = self._process.stdin
        assert stdin is not None
        answer = Answer(f"{client} {op}")
        with self._lock:
            self._next += 1
            number = self._next
            self._answers[number] = answer
            line = json.dumps({"id": number, "client": client, "op": op, **arguments})
            try:
                stdin.write(line.encode() + b"\n")
                stdin.flush()
            except OSError as error:
                raise Failure(f"the MQTT.js agent is gone: {error}") from error
        return answer

    def close(self) -> None:
        """End the process."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.close()
            self._process.wait(WAIT)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            body = json.loads(line)
            if "id" in body:
                with self._lock:
                    answer = self._answers.pop(body["id"])
                answer.give(body)
            else:
                with self._lock:
                    client = self._clients[body["client"]]
                client.event(body)
        with self._lock:
            left, self._answers = self._answers, {}
        for answer in left.values():
            answer.give({"error": "the MQTT.js agent is gone"})


class MqttJsClient(Client):
    """One MQTT.js client in the agent."""

    def __init__(self, agent: Agent, options: Options) -> None:
        super().__init__(options)
        self._agent = agent
        self._name = agent.add(self)

    def event(self, body: dict[str, Any]) -> None:
        """Something happened at the client."""
        match body["event"]:
            case "connack":
                reason = body["reason"]
                self.inbox.connack(ConnAck(reason == "", body["sessionPresent"], reason))
            case "message":
                payload = base64.b64decode(body["payload"])
                self.inbox.message(
                    Message(
                        topic=body["topic"],
                        payload=payload,
                        qos=body["qos"],
                        retain=body["retain"],
                        size=body["size"],
                        digest=body["digest"],
                    )
                )
            case "close":
                self.inbox.closed()

    def try_connect(self) -> ConnAck:
        options = asdict(self.options)
        if self.options.will is not None:
            payload = base64.b64encode(self.options.will.payload).decode()
            options["will"]["payload"] = payload
        self._order("connect", options=options).wait()
        return self.inbox.take_connack()

    def subscribe(self, filters: str | Sequence[str], qos: int = 0) -> list[int]:
        listed = [filters] if isinstance(filters, str) else list(filters)
        codes: list[int] = self._order("subscribe", filters=listed, qos=qos).value()
        return codes

    def unsubscribe(self, topic_filter: str) -> None:
        self._order("unsubscribe", filter=topic_filter).wait()

    def start_publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> Pending:
        encoded = base64.b64encode(payload).decode()
        return self._order("publish", topic=topic, payload=encoded, qos=qos, retain=retain)

    def disconnect(self) -> None:
        self._order("end", force=False).wait()

    def close(self) -> None:
        try:
            self._order("end", force=True).wait()
        except Failure:
            pass  # Only the tidying up failed; the agent's end takes it along.

    def _order(self, op: str, **arguments: object) -> Answer:
        return self._agent.order(self._name, op, **arguments)
