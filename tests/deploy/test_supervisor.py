"""Web, worker and scheduler come up together, are mended, and leave in order."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.places import Places
from deploy.embedded.postgres import Postgres
from deploy.embedded.processes import EmbeddedError, is_running, wait_until
from deploy.embedded.services import Services
from deploy.embedded.supervisor import Child, Event, Supervisor, free_port
from deploy.embedded.valkey import Valkey

SERVICES = Services("postgresql://books.example/lombard", "redis://queue.example/0")


@pytest.fixture
def places() -> Iterator[Places]:
    folder = Path(tempfile.mkdtemp(prefix="lombard-supervisor-"))
    places = Places.of(folder)
    yield places
    Valkey(places).stop()
    Postgres(places).stop()
    for made in (places.cluster_dir.parent, places.postgres_socket_dir, folder):
        shutil.rmtree(made, ignore_errors=True)


class Clerk:
    """A child that notes its pid and the database it was given, and then sleeps."""

    def __init__(self, places: Places, name: str) -> None:
        self.note = places.state_dir / f"{name}.note"
        # The word `deploy` is in the command line of every real child.
        work = (
            "import os, sys, time; from pathlib import Path; note = Path(sys.argv[1]); "
            "draft = note.with_suffix('.draft'); "
            "draft.write_text(f\"{os.getpid()} {os.environ['DATABASE_URL']} deploy\"); "
            "draft.rename(note); time.sleep(600)"
        )
        self.child = Child(name, [sys.executable, "-c", work, str(self.note)], self.note.exists)

    @property
    def pid(self) -> int:
        return int(self.note.read_text().split()[0])


class Run:
    """A supervisor in a thread, with everything it said."""

    def __init__(self, places: Places, children: list[Child]) -> None:
        self.events: list[Event] = []
        self.error: BaseException | None = None
        self.supervisor = Supervisor(SERVICES, places=places, on_event=self.events.append)
        self._thread = threading.Thread(target=self._run, args=(children,))
        self._thread.start()

    def _run(self, children: list[Child]) -> None:
        try:
            self.supervisor.run(children)
        except EmbeddedError as error:
            self.error = error

    def wait_for(self, event: Event) -> None:
        assert wait_until(lambda: event in self.events, seconds=20), self.events

    def end(self) -> None:
        self.supervisor.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_children_get_the_services_and_are_stopped_in_reverse_order(places: Places) -> None:
    web, worker = Clerk(places, "web"), Clerk(places, "worker")
    run = Run(places, [web.child, worker.child])
    run.wait_for(Event("ready"))
    pids = [web.pid, worker.pid]
    assert SERVICES.database_url in web.note.read_text()

    run.end()

    assert run.events[:2] == [Event("starting", "web"), Event("starting", "worker")]
    assert run.events[-3:] == [Event("stopping"), Event("stopped", "worker"), Event("stopped", "web")]
    assert not any(is_running(pid) for pid in pids)


def test_a_killed_child_is_started_again(places: Places) -> None:
    worker = Clerk(places, "worker")
    run = Run(places, [worker.child])
    run.wait_for(Event("ready"))
    first = worker.pid

    os.kill(first, signal.SIGKILL)

    run.wait_for(Event("restarted", "worker"))
    assert wait_until(lambda: worker.pid != first, seconds=10)
    run.end()


def test_a_child_that_dies_at_once_ends_the_run_with_its_last_words(places: Places) -> None:
    web = Clerk(places, "web")
    broken = Child("worker", [sys.executable, "-c", "raise SystemExit('no such queue')"], lambda: False)

    run = Run(places, [web.child, broken])
    run.wait_for(Event("stopped", "web"))
    run.end()

    assert "worker does not stay up" in str(run.error)
    assert "no such queue" in str(run.error)


def test_a_second_supervisor_of_the_same_folder_is_refused(places: Places) -> None:
    run = Run(places, [Clerk(places, "web").child])
    run.wait_for(Event("ready"))

    with pytest.raises(EmbeddedError, match="already runs"):
        Supervisor(SERVICES, places=places).run([])

    run.end()


def test_children_of_a_killed_supervisor_are_ended_by_the_next(places: Places) -> None:
    orphan = Clerk(places, "deploy-worker")
    places.make()
    left = subprocess.Popen(
        orphan.child.command, env=os.environ | SERVICES.environment(), start_new_session=True
    )
    assert wait_until(orphan.note.exists, seconds=10)
    (places.state_dir / "children").write_text(json.dumps({"worker": left.pid}))

    run = Run(places, [])
    run.wait_for(Event("ready"))

    assert left.wait(10) == -signal.SIGTERM
    run.end()


def test_the_first_free_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert port < free_port("127.0.0.1", port) < port + 100


def test_dev_serves_the_site_and_leaves_nothing_behind_after_ctrl_c(places: Places) -> None:
    environment = {
        name: os.environ[name]
        for name in os.environ
        if name not in {"DATABASE_URL", "BROKER_URL", "PYTHONUNBUFFERED"}
    }
    dev = subprocess.Popen(
        [sys.executable, "manage.py", "dev", "--port", "8300"],
        cwd=Path(__file__).resolve().parents[2],
        env=environment | {"LOMBARD_STATE_DIR": str(places.state_dir)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert dev.stdout is not None
    lines = [dev.stdout.readline() for _ in range(5)]
    address = lines[2].split()[-1].removesuffix("/admin/")
    with urllib.request.urlopen(f"{address}/admin/login/") as page:
        assert "Lombard" in page.read().decode()
    with urllib.request.urlopen(f"{address}/static/unfold/css/styles.css") as sheet:
        assert sheet.status == 200
    pids = json.loads((places.state_dir / "children").read_text())
    assert set(pids) == {"web", "worker", "scheduler"}
    started = time.monotonic()

    dev.send_signal(signal.SIGINT)
    rest, _ = dev.communicate(timeout=60)

    assert dev.returncode == 0
    assert rest.splitlines()[-1] == "Stopped."
    assert time.monotonic() - started < 20
    assert not any(is_running(pid) for pid in pids.values())
    assert not Postgres(places).is_ready()
    assert not Valkey(places).is_ready()
