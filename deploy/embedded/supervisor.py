"""Web, worker and scheduler as children of one process.

Each child has a session of its own, so that Ctrl-C reaches the supervisor alone and the stop is in order: the
scheduler first, then the worker, the web last. A child that dies is started again, unless it dies at once.
The supervisor prints nothing; it tells its caller by events. :func:`serve` is the caller that commands use.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, Protocol

from deploy.embedded.places import Places
from deploy.embedded.processes import EmbeddedError, command_line, is_running, wait_until
from deploy.embedded.services import Services, ensure_services

PROJECT_DIR: Final = Path(__file__).resolve().parents[2]
_READY_SECONDS_MAX: Final = 60
_STOP_SECONDS_MAX: Final = 25
_SHORT_LIFE_SECONDS: Final = 10
_SHORT_LIVES_MAX: Final = 3
_PORTS_TRIED_MAX: Final = 100


class Output(Protocol):
    """Anything a line can be written to: a stream, or the `stdout` of a management command."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Child:
    """A program to keep running, and how to ask whether it does its work yet."""

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Event:
    """What happened: `starting`, `ready`, `restarted`, `stopping` or `stopped`; `name` is empty for all."""

    kind: str
    name: str = ""


class Supervisor:
    """Keeps children running until a signal or :meth:`stop`."""

    def __init__(
        self,
        services: Services,
        *,
        places: Places | None = None,
        on_event: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self._services = services
        self._places = places or Places.of()
        self._on_event = on_event
        self._wanted_end = threading.Event()
        self._running: dict[str, _Running] = {}

    def stop(self) -> None:
        """Ask :meth:`run` to end; safe from another thread or a signal handler."""
        self._wanted_end.set()

    def run(self, children: Sequence[Child]) -> None:
        """Start the children, wait until each is ready, keep them running, stop them.

        Raises :class:`EmbeddedError` when another supervisor serves the same state folder, when a child is
        not ready in time, or when it dies again and again; the others are stopped first.
        """
        self._places.make()
        with self._only_one(), self._signals():
            try:
                for child in children:
                    self._start(child)
                self._await_readiness(children)
                while not self._wanted_end.wait(0.5):
                    self._mend()
            finally:
                self._stop_children()

    def _start(self, child: Child) -> None:
        if self._wanted_end.is_set():
            return
        self._on_event(Event("starting", child.name))
        with self.log_path(child.name).open("ab") as log:
            process = subprocess.Popen(
                list(child.command),
                cwd=PROJECT_DIR,
                env=os.environ | self._services.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        lives = self._running[child.name].short_lives if child.name in self._running else 0
        self._running[child.name] = _Running(child, process, time.monotonic(), lives)
        self._record()

    def _await_readiness(self, children: Sequence[Child]) -> None:
        waiting = list(children)
        deadline = time.monotonic() + _READY_SECONDS_MAX
        while waiting and not self._wanted_end.wait(0.1):
            self._mend()
            for child in [child for child in waiting if child.is_ready()]:
                waiting.remove(child)
                self._on_event(Event("ready", child.name))
            if waiting and time.monotonic() > deadline:
                raise EmbeddedError(f"{waiting[0].name} is not ready. {self._last_words(waiting[0].name)}")
        if not waiting:
            self._on_event(Event("ready"))

    def _mend(self) -> None:
        for running in list(self._running.values()):
            if running.process.poll() is None:
                continue
            name = running.child.name
            if time.monotonic() - running.started < _SHORT_LIFE_SECONDS:
                running.short_lives += 1
                if running.short_lives >= _SHORT_LIVES_MAX:
                    raise EmbeddedError(f"{name} does not stay up. {self._last_words(name)}")
            self._start(running.child)
            self._on_event(Event("restarted", name))

    def _stop_children(self) -> None:
        if self._running:
            self._on_event(Event("stopping"))
        for running in reversed(self._running.values()):
            _end_group(running.process.pid, running.is_alive)
            self._on_event(Event("stopped", running.child.name))
        self._running.clear()
        self._record()

    def log_path(self, name: str) -> Path:
        return self._places.logs_dir / f"{name}.log"

    def _last_words(self, name: str) -> str:
        path = self.log_path(name)
        lines = path.read_text(errors="replace").splitlines()[-8:]
        return "\n".join([f"The end of {path}:", *lines])

    @property
    def _record_path(self) -> Path:
        return self._places.state_dir / "children"

    def _record(self) -> None:
        """Note who runs, for the next supervisor, should this one be killed."""
        pids = {name: running.process.pid for name, running in self._running.items()}
        self._record_path.write_text(json.dumps(pids))

    def _end_survivors(self) -> None:
        """End the children of a supervisor that was killed: two schedulers would ask for everything twice."""
        try:
            pids = json.loads(self._record_path.read_text()).values()
        except (OSError, ValueError):
            return
        for pid in pids:
            if "deploy" in command_line(pid):
                _end_group(pid, partial(is_running, pid))

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        descriptor = os.open(self._places.state_dir / "supervisor", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise EmbeddedError(
                    f"Lombard already runs from {self._places.state_dir}: "
                    "stop it first, or set LOMBARD_STATE_DIR."
                ) from None
            self._end_survivors()
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as the wish to end; signals belong to the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(slots=True)
class _Running:
    child: Child
    process: subprocess.Popen[bytes]
    started: float
    short_lives: int

    def is_alive(self) -> bool:
        return self.process.poll() is None


def _end_group(leader_pid: int, is_alive: Callable[[], bool]) -> None:
    """End a child: politely to its first process, and by force to what is left of its group."""
    if is_alive():
        os.kill(leader_pid, signal.SIGTERM)
        wait_until(lambda: not is_alive(), seconds=_STOP_SECONDS_MAX)
    try:
        os.killpg(leader_pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
    wait_until(lambda: not is_alive(), seconds=1)


def free_port(host: str, first: int) -> int:
    """The first port from `first` on that nobody listens on."""
    for port in range(first, first + _PORTS_TRIED_MAX):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise EmbeddedError(f"No port from {first} to {first + _PORTS_TRIED_MAX - 1} is free on {host}.")


def web_command(host: str, port: int) -> list[str]:
    """The web server as a module with its arguments; its threads share the commits of journals that come together."""
    bind = ["--bind", f"{host}:{port}", "--no-control-socket"]
    return ["gunicorn", "deploy.wsgi:application", *bind, "--worker-class", "gthread", "--threads", "8"]


def standard_children(*, host: str, port: int, places: Places) -> list[Child]:
    """Web, worker and scheduler as the firm's own machines run them, in small."""
    python = [sys.executable, "-m"]
    node = "lombard@localhost"
    schedule = places.state_dir / "schedule"
    for old in places.state_dir.glob(f"{schedule.name}*"):
        # A killed scheduler leaves a torn file, and the schedule itself is in the settings.
        old.unlink()
    worker = ["celery", "-A", "deploy", "worker", "-n", node, "--concurrency", "2", "--loglevel", "INFO"]
    beat = ["celery", "-A", "deploy", "beat", "--schedule", str(schedule), "--pidfile=", "--loglevel", "INFO"]
    return [
        Child("web", [*python, *web_command(host, port)], lambda: answers(host, port)),
        Child(
            "worker", [*python, *worker, "--without-gossip", "--without-mingle"], lambda: _takes_tasks(node)
        ),
        Child("scheduler", [*python, *beat], lambda: any(places.state_dir.glob(f"{schedule.name}*"))),
    ]


def serve(
    stdout: Output,
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    notices: Callable[[str], Iterable[str]] = lambda _address: (),
) -> None:
    """Serve the migrated database until Ctrl-C, telling `stdout` what a person wants to know.

    The web takes the first free port from `port` on. `notices` is given the site's address
    (`http://127.0.0.1:8000`) and returns lines to print once everything is ready, such as sign-ins.
    """
    services = ensure_services()
    try:
        places = Places.of()
        port = free_port(host, port)
        address = f"http://{host}:{port}"

        def tell(event: Event) -> None:
            for line in _lines_about(event, address, notices, places):
                stdout.write(f"{line}\n")
            # Somebody may be waiting for these lines at the other end of a pipe.
            stdout.flush()

        supervisor = Supervisor(services, places=places, on_event=tell)
        supervisor.run(standard_children(host=host, port=port, places=places))
    finally:
        services.stop()


def _lines_about(
    event: Event, address: str, notices: Callable[[str], Iterable[str]], places: Places
) -> Iterator[str]:
    match event:
        case Event("starting", "web"):
            yield "Starting web, worker and scheduler."
        case Event("ready", ""):
            yield f"Back office  {address}/admin/"
            yield f"API          {address}/api/docs/"
            yield from notices(address)
            yield f"Logs are in {places.logs_dir}. Ctrl-C stops everything."
        case Event("restarted", name):
            yield f"The {name} ended by itself and was started again."
        case Event("stopping"):
            yield "Stopping."
        case Event("stopped", "web"):
            yield "Stopped."


def answers(host: str, port: int) -> bool:
    """Whether a web server is there and well."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": "localhost"})
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _takes_tasks(node: str) -> bool:
    from deploy.celery import app

    return bool(app.control.ping(destination=[node], timeout=0.5))
