"""The processes that post: started once, idle between cases, each with a connection of its own.

A process is told a job and answers when it is ready and warm. All that take part in a case are then given one moment
to start at, drive their callers until the time is over, and hand in what they counted. Times are of the monotonic
clock, which all processes of a machine share.
"""

from __future__ import annotations

import signal
import time
import traceback
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final

from deploy.benchmarks.figures import Figure, figure
from deploy.benchmarks.ledger.callers import DRAWN, Caller, Work, drive_together
from deploy.benchmarks.ledger.cases import Case, Ground, Yardstick
from deploy.benchmarks.ledger.workload import transfers

_START_IN_SECONDS: Final = 0.02
_THREADS_START_IN_SECONDS: Final = 0.2


class ClientFailed(RuntimeError):
    """A client could not do its part; the message is its traceback."""


@dataclass(frozen=True, slots=True)
class Job:
    """One process's part in one case."""

    number: int
    case: Case
    callers: int
    accounts: int
    seconds: float
    warm_up_seconds: float


@dataclass(frozen=True, slots=True)
class Count:
    """What one process did: timed journals, and all that were acknowledged with the cents the house was debited."""

    timed: int
    acknowledged: int
    house_cents: int
    ended_at: float
    latencies_ns: bytes


@dataclass(frozen=True, slots=True)
class Measured:
    figure: Figure
    acknowledged: int
    house_cents: int


class Clients:
    """The processes of one database and one set of settings."""

    def __init__(self, database: Mapping[str, Any], settings: str, count: int, *, serving: int = 1) -> None:
        """Start `count` processes; callers of a threaded yardstick share the first `serving` of them."""
        context = get_context("spawn")
        self._serving = serving
        self._jobs = 0
        self._links: list[Connection] = []
        self._processes = []
        for number in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, number, settings, dict(database)), daemon=True
            )
            process.start()
            theirs.close()
            self._links.append(ours)
            self._processes.append(process)

    def lay(self, yardstick: Yardstick, ground: Ground) -> None:
        """Let one process make the tables and accounts of a yardstick."""
        self._links[0].send((yardstick, ground))
        _answer(self._links[0])

    def run(self, case: Case, *, accounts: int, seconds: float, warm_up_seconds: float) -> Measured:
        """Run one case once."""
        self._jobs += 1
        processes = min(self._serving, case.clients) if case.yardstick.is_threaded else case.clients
        links = self._links[:processes]
        for number, link in enumerate(links):
            callers = len(range(number, case.clients, processes))
            link.send(Job(self._jobs, case, callers, accounts, seconds, warm_up_seconds))
        for link in links:
            _answer(link)
        is_threaded = case.yardstick.is_threaded
        start_at = time.monotonic() + (_THREADS_START_IN_SECONDS if is_threaded else _START_IN_SECONDS)
        for link in links:
            link.send(start_at)
        counts: list[Count] = [_answer(link) for link in links]
        elapsed = max(count.ended_at for count in counts) - start_at
        latencies = array("q")
        for count in counts:
            latencies.frombytes(count.latencies_ns)
        timed = figure(sum(count.timed for count in counts), elapsed, latencies)
        if case.yardstick.is_read:
            return Measured(timed, 0, 0)
        return Measured(
            timed,
            sum(count.acknowledged for count in counts),
            sum(count.house_cents for count in counts),
        )

    def stop(self) -> None:
        """Let each process leave, which the end of its pipe tells it to."""
        for link in self._links:
            link.close()
        for process in self._processes:
            process.join(timeout=10)
            if process.is_alive():
                process.kill()


@contextmanager
def clients(database: Mapping[str, Any], settings: str, count: int, *, serving: int = 1) -> Iterator[Clients]:
    started = Clients(database, settings, count, serving=serving)
    try:
        yield started
    finally:
        started.stop()


def _answer(link: Connection) -> Any:
    try:
        answer = link.recv()
    except EOFError as error:
        raise ClientFailed("a client ended before its work was done") from error
    if isinstance(answer, str):
        raise ClientFailed(answer)
    return answer


def _serve(link: Connection, number: int, settings: str, database: Mapping[str, Any]) -> None:
    """Be a client until the other end of the pipe is closed; Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _set_up(settings, database)
        while True:
            told = link.recv()
            if isinstance(told, Job):
                _run(link, told, number)
            else:
                yardstick, ground = told
                _lay(yardstick, ground)
                link.send(None)
    except EOFError:
        return
    except BaseException:
        with suppress(ConnectionError):
            link.send(traceback.format_exc())


def _set_up(settings: str, database: Mapping[str, Any]) -> None:
    import django
    from django.conf import settings as django_settings
    from django.db import connection

    if settings == "hordak":
        from deploy.benchmarks.ledger import hordak

        django_settings.configure(**hordak.settings(database))
        django.setup()
    else:
        django.setup()
        connection.settings_dict.update(database)


def _search(schema: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('search_path', %s, false)", [schema])


def _lay(yardstick: Yardstick, ground: Ground) -> None:
    from django.db import connection

    ledger = yardstick.ledger()
    if ledger.SCHEMA != "public":
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {ledger.SCHEMA}")
    _search(ledger.SCHEMA)
    ledger.lay(ground)


def _run(link: Connection, job: Job, number: int) -> None:
    ledger = job.case.yardstick.ledger()
    _search(ledger.SCHEMA)
    poster = ledger.poster(job.case.yardstick.name)
    work = Work(transfers(job.case.contention, job.accounts, DRAWN, f"{job.case.contention}-{number}"))
    callers = [
        Caller(poster, work, job.case.yardstick.per_call, f"{job.number}-{number}-{each}", each)
        for each in range(job.callers)
    ]
    drive_together(callers, time.monotonic(), job.warm_up_seconds)
    warmed_up = sum(caller.done for caller in callers)
    for caller in callers:
        caller.latencies_ns = array("q")
    link.send(None)
    start_at: float = link.recv()
    drive_together(callers, start_at, job.seconds)
    ended_at = time.monotonic()
    done = sum(caller.done for caller in callers)
    latencies = b"".join(caller.latencies_ns.tobytes() for caller in callers)
    house_cents = sum(caller.house_cents for caller in callers)
    link.send(Count(done - warmed_up, done, house_cents, ended_at, latencies))
