"""The list of tests, what a test is given, and how they are run.

Tests run side by side against one broker: names of topics and clients never collide, and
a test that harms another one has found a fault.
"""

from __future__ import annotations

import itertools
import shutil
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol

from .clients.base import V311, Client, Options
from .clients.cli import Tools
from .clients.mqttjs import Agent, MqttJsClient
from .clients.paho import PahoClient
from .limits import Failure
from .proxy import Endpoint, Proxy

PAHO = "paho"
MQTTJS = "MQTT.js"
LIBRARIES = (PAHO, MQTTJS)


class Broker(Protocol):
    """What the tests need of whatever broker they run against."""

    endpoint: Endpoint
    ipv6: Endpoint | None
    others: list[Endpoint]
    certificate: Path

    def trouble(self) -> str | None:
        """Why the run cannot go on."""

    def errors(self) -> str:
        """Its log."""

    def stop(self) -> None:
        """End it and insist that it ends well."""


@dataclass
class Environment:
    """What all tests of one run share."""

    broker: Broker
    agent: Agent
    folder: Path
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    mark: str = field(default_factory=lambda: f"{time.time_ns() // 1_000_000:x}"[-6:])


class Context:
    """One test's share: its names, its clients and their end."""

    def __init__(self, environment: Environment, endpoint: Endpoint | None = None) -> None:
        self._environment = environment
        # The mark differs from run to run, for brokers that outlive one.
        self._name = f"{environment.mark}-{next(environment.numbers)}"
        self._clients = itertools.count()
        self._stack = ExitStack()
        self.broker = environment.broker
        self.endpoint = endpoint or environment.broker.endpoint
        self.library = PAHO
        self.version = V311
        self.tools: Tools | None = None

    def topic(self, rest: str) -> str:
        """A topic of this test alone."""
        return f"interop/{self._name}/{rest}"

    def client_id(self) -> str:
        """A fresh identifier, short enough for MQTT 3.1."""
        return f"{self._name}-{next(self._clients)}"

    def client(self, library: str | None = None, **options: object) -> Client:
        """A client of the test's library and version, not yet connected."""
        given: dict[str, object] = {
            "endpoint": self.endpoint,
            "client_id": self.client_id(),
            "version": self.version,
        }
        given.update(options)
        settings = Options(**given)  # type: ignore[arg-type]
        client: Client
        if (library or self.library) == PAHO:
            client = PahoClient(settings)
        else:
            client = MqttJsClient(self._environment.agent, settings)
        self._stack.callback(client.close)
        return client

    def connected(self, library: str | None = None, **options: object) -> Client:
        """The same, connected."""
        client = self.client(library, **options)
        client.connect()
        return client

    def proxy(self, target: Endpoint | None = None) -> Proxy:
        """A proxy of this test alone."""
        proxy = Proxy(target or self.endpoint)
        self._stack.callback(proxy.close)
        return proxy

    def folder(self) -> Path:
        """An empty folder that goes when the test ends."""
        folder = Path(mkdtemp(dir=self._environment.folder))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def modules(self) -> Path:
        """Where what npm installed lies."""
        return self._environment.folder.parent / "node_modules"

    def at_end(self, action: Callable[[], object]) -> None:
        """Do this when the test ends, well or not."""
        self._stack.callback(action)

    def close(self) -> None:
        """Undo everything."""
        self._stack.close()


Body = Callable[[Context], None]


@dataclass(frozen=True)
class Case:
    """One test to run."""

    name: str
    body: Body
    library: str = PAHO
    version: str = V311
    tools: Tools | None = None
    endpoint: Endpoint | None = None

    def run(self, environment: Environment) -> str | None:
        """None if it went well, else what went wrong."""
        context = Context(environment, self.endpoint)
        context.library, context.version, context.tools = self.library, self.version, self.tools
        try:
            self.body(context)
        except Failure as failure:
            return f"{failure} [{_place(failure)}]"
        except Exception as error:  # A fault of the test is a failed test, not the end of the run.
            return f"{type(error).__name__}: {error} [{_place(error)}]"
        finally:
            context.close()
        return None


_LIBRARY_BODIES: list[tuple[str, Body, tuple[str, ...]]] = []
_TOOL_BODIES: list[tuple[str, Body, str | None]] = []
_SINGLE_BODIES: list[tuple[str, Body]] = []


def for_libraries(name: str, *versions: str) -> Callable[[Body], Body]:
    """Run with each library, and with each of the versions (3.1.1 if none is named)."""

    def register(body: Body) -> Body:
        _LIBRARY_BODIES.append((name, body, versions or (V311,)))
        return body

    return register


def for_tools(name: str, only: str | None = None) -> Callable[[Body], Body]:
    """Run with each pair of command line programs, or with one of them only."""

    def register(body: Body) -> Body:
        _TOOL_BODIES.append((name, body, only))
        return body

    return register


def single(name: str) -> Callable[[Body], Body]:
    """Run once."""

    def register(body: Body) -> Body:
        _SINGLE_BODIES.append((name, body))
        return body

    return register


def library_cases() -> list[Case]:
    """Every library test, long ones first as they were registered."""
    cases = [Case(name, body) for name, body in _SINGLE_BODIES]
    for name, body, versions in _LIBRARY_BODIES:
        for library, version in itertools.product(LIBRARIES, versions):
            label = f"{library} {version}: {name}"
            cases.append(Case(label, body, library=library, version=version))
    return cases


def tool_cases(tools: Tools, endpoint: Endpoint | None = None) -> list[Case]:
    """Every command line test for one pair of programs, against `endpoint` if given."""
    return [
        Case(f"{tools.name}: {name}", body, tools=tools, endpoint=endpoint)
        for name, body, only in _TOOL_BODIES
        if only in (None, tools.family)
    ]


@dataclass
class Tally:
    """How a run went."""

    passed: int = 0
    failed: int = 0

    def note(self, label: str, seconds: float, problem: str | None) -> None:
        """Print one test's line and count it."""
        if problem is None:
            self.passed += 1
            print(f"ok    {label} ({seconds:.1f} s)", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {label} ({seconds:.1f} s): {problem}", flush=True)


def run_cases(cases: list[Case], environment: Environment, jobs: int, tally: Tally) -> None:
    """Run them side by side; after the broker has died, do not wait for the rest."""

    def timed(case: Case) -> tuple[Case, float, str | None]:
        start = time.monotonic()
        problem = environment.broker.trouble() or case.run(environment)
        return case, time.monotonic() - start, problem

    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(timed, case) for case in cases]):
            case, seconds, problem = done.result()
            tally.note(case.name, seconds, problem)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if "/cases/" in frame.filename]
    frame = (inside or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
