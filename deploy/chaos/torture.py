"""The cluster that is tortured, the processes that work on it, and the killer."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from celery import Celery
from django.core.management import call_command
from django.db import connection

from deploy.benchmarks.servers import connected_to
from deploy.chaos import books
from deploy.chaos.verdict import Verdict, judge
from deploy.embedded.entry import stopped_orderly
from deploy.embedded.places import ROLE
from deploy.embedded.processes import signal_quietly, wait_until
from deploy.embedded.temporary import TemporaryServers
from ledger.corporate_actions.actions import carry_out, due_actions
from ledger.models import CorporateAction, Entitlement, Journal

JOB: Final = "ledger.tasks.apply_corporate_actions"
WRITERS: Final = {"anna": "single", "bela": "batch", "carl": "each", "dora": "coalesced"}
_CYCLE: Final = ("postgres", "client", "worker", "postgres", "client")
_SETTINGS: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "60",
}
_PATIENCE_SECONDS: Final = 180


@dataclass(frozen=True, slots=True)
class Report:
    """What was killed and what stood afterwards. `caught_at_work` counts workers that died with a dividend half paid."""

    verdict: Verdict
    kills: dict[str, int]
    caught_at_work: int
    recovery_seconds_max: float
    seconds: float
    seed: int

    def figures(self) -> dict[str, Any]:
        told = asdict(self)
        return told.pop("verdict") | told


class Torture:
    """One run; use :func:`torture`."""

    def __init__(self, servers: TemporaryServers, seed: int) -> None:
        self.servers = servers
        self.seed = seed
        self.notes = servers.places.state_dir / "notes"
        self.writers: dict[str, subprocess.Popen[bytes]] = {}
        self.worker: subprocess.Popen[bytes] | None = None
        self.dividends: list[CorporateAction] = []
        self.caught_at_work = 0
        self.recovery_seconds_max = 0.0
        self._clock = Celery(broker=servers.places.broker_url)

    def begin(self, dividends: int) -> None:
        call_command("migrate", verbosity=0)
        self.dividends = books.open_books(dividends)
        self.notes.mkdir()
        for name in WRITERS:
            self.start_writer(name)
        self.start_worker()
        # Nobody is killed before everybody is at work.
        wait_until(
            lambda: all((self.notes / f"{n}.notes").exists() for n in WRITERS), seconds=_PATIENCE_SECONDS
        )

    def start_writer(self, name: str) -> None:
        arguments = ["-m", "deploy.chaos.writer", name, WRITERS[name], str(self.seed), str(self.notes)]
        self.writers[name] = self._start(arguments, f"{name}.log")

    def start_worker(self) -> None:
        arguments = [
            "-m",
            "celery",
            "-A",
            "deploy.celery",
            "worker",
            "--concurrency",
            "1",
            "--loglevel",
            "WARNING",
        ]
        self.worker = self._start([*arguments, "--without-gossip", "--without-mingle"], "worker.log")

    def _start(self, arguments: list[str], log_name: str) -> subprocess.Popen[bytes]:
        places = self.servers.places
        with (places.logs_dir / log_name).open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                [sys.executable, *arguments],
                env=os.environ
                | {
                    "DATABASE_URL": places.database_url,
                    "BROKER_URL": places.broker_url,
                    "LOMBARD_EMBEDDED": "1",
                    "LOMBARD_STATE_DIR": str(places.state_dir),
                    "SECRET_KEY": "a key that signs nothing",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, kind: str, dice: random.Random) -> None:
        {
            "postgres": self.kill_postgres,
            "client": lambda: self.kill_client(dice),
            "worker": self.kill_worker,
        }[kind]()

    def kill_postgres(self) -> None:
        """SIGKILL the postmaster and every backend, bring the server up again and wait until it has recovered."""
        pid = int((self.servers.postgres.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
        backends = _children(pid)
        connection.close()
        for number in (pid, *backends):
            signal_quietly(number, signal.SIGKILL)
        started = time.monotonic()
        self.servers.postgres.start()
        self.recovery_seconds_max = max(self.recovery_seconds_max, time.monotonic() - started)

    def kill_client(self, dice: random.Random) -> None:
        name = dice.choice(sorted(WRITERS))
        _kill(self.writers[name])
        self.start_writer(name)

    def kill_worker(self) -> None:
        """SIGKILL the worker when it has begun to pay a dividend, and start another that goes on."""
        dividend = self.dividends.pop()
        books.release(dividend)
        self._clock.send_task(JOB)
        journals = Journal.objects.filter(cause=f"corporate-action:{dividend.pk}")
        wait_until(journals.exists, seconds=_PATIENCE_SECONDS, pause_seconds=0.005)
        if self.worker is not None:
            _kill(self.worker)
        unpaid = Entitlement.objects.filter(action=dividend).exclude(status=Entitlement.Status.PAID)
        self.caught_at_work += unpaid.exists()
        self.start_worker()
        self._clock.send_task(JOB)

    def end(self) -> Verdict:
        """Let every writer have its last answer and every dividend its end, and judge."""
        (self.notes / "stop").touch()
        for process in self.writers.values():
            process.wait(timeout=_PATIENCE_SECONDS)
        while due := due_actions():
            for action in due:
                carry_out(action=action)
        return judge(self.notes)

    def leave(self) -> None:
        for process in (*self.writers.values(), *([self.worker] if self.worker else [])):
            if process.poll() is None:
                _kill(process)


def torture(kills: int, *, seed: int, seconds: float, advance: Callable[[str], None]) -> Report:
    """Kill `kills` times over about `seconds` on a cluster of this process's own, which is removed afterwards.

    `advance` is called with the kind of each kill. Raises what a server that does not come back raises.
    """
    started = time.monotonic()
    dice = random.Random(seed)  # noqa: S311
    kinds = [_CYCLE[n % len(_CYCLE)] for n in range(kills)]
    dice.shuffle(kinds)
    with _run(seed) as run:
        run.begin(kinds.count("worker"))
        for kind in kinds:
            time.sleep(dice.uniform(0.5, 1.5) * seconds / kills)
            run.kill(kind, dice)
            advance(kind)
        time.sleep(seconds / kills)
        verdict = run.end()
    return Report(
        verdict=verdict,
        kills=dict(Counter(kinds)),
        caught_at_work=run.caught_at_work,
        recovery_seconds_max=round(run.recovery_seconds_max, 2),
        seconds=round(time.monotonic() - started, 1),
        seed=seed,
    )


@contextmanager
def _run(seed: int) -> Iterator[Torture]:
    servers = TemporaryServers(Path(tempfile.gettempdir()), "chaos", settings=_SETTINGS)
    servers.remove_what_killed_runs_left()
    run = Torture(servers, seed)

    def leave() -> None:
        run.leave()
        servers.remove()

    with stopped_orderly(leave):
        servers.postgres.start()
        servers.valkey.start()
        database = {
            "HOST": str(servers.places.postgres_socket_dir),
            "USER": ROLE,
            "NAME": ROLE,
            "PASSWORD": "",
            "PORT": "",
        }
        with connected_to(database):
            yield run


def _kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process of ours and its children: it leads a group of its own."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _children(pid: int) -> list[int]:
    """The backends of a postmaster where /proc tells them; elsewhere they see its death and leave by themselves."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(number) for number in told.split()]
