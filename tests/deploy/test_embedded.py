"""The embedded servers survive what happens on a laptop: a killed process, a stale file, two at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from deploy.embedded.entry import is_embedded, needs_services
from deploy.embedded.places import Places
from deploy.embedded.postgres import Postgres, find_binaries, version_of
from deploy.embedded.processes import EmbeddedError, is_running, wait_until
from deploy.embedded.services import Services, ensure_services
from deploy.embedded.valkey import Valkey

NOTHING_GIVEN: dict[str, str] = {}

# A second process that takes the services, says so, and holds them until its input ends.
NEIGHBOUR = """
import sys
from pathlib import Path
from deploy.embedded.places import Places
from deploy.embedded.services import ensure_services
services = ensure_services(places=Places.of(Path(sys.argv[1])), environment={})
print(services.database_url, flush=True)
sys.stdin.read()
services.stop()
"""


@pytest.fixture
def places() -> Iterator[Places]:
    folder = Path(tempfile.mkdtemp(prefix="lombard-embedded-"))
    places = Places.of(folder)
    yield places
    Valkey(places).stop()
    Postgres(places).stop()
    for made in (places.cluster_dir.parent, places.postgres_socket_dir, folder):
        shutil.rmtree(made, ignore_errors=True)


def start(places: Places) -> Services:
    return ensure_services(places=places, environment=NOTHING_GIVEN)


def start_neighbour(places: Places) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", NEIGHBOUR, str(places.state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )


def server_pid(places: Places) -> int:
    return int((places.cluster_dir / "data" / "postmaster.pid").read_text().splitlines()[0])


def broker(places: Places) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(places.valkey_socket), decode_responses=True)


def ask(services: Services, statement: str) -> object:
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def test_a_new_folder_gets_a_durable_database_and_a_durable_broker_without_ports(places: Places) -> None:
    services = start(places)

    assert ask(services, "SELECT current_database()") == "lombard"
    assert ask(services, "SHOW fsync") == "on"
    assert ask(services, "SHOW data_checksums") == "on"
    assert ask(services, "SHOW server_encoding") == "UTF8"
    assert ask(services, "SHOW listen_addresses") == ""
    assert ask(services, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    with broker(places) as client:
        configuration = client.config_get("*")
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "port": "0"}
    assert {name: configuration[name] for name in wanted} == wanted

    services.stop()

    assert not Postgres(places).is_ready()
    assert not Valkey(places).is_ready()
    assert not places.valkey_socket.exists()


def test_what_was_written_is_there_after_a_stop_and_a_start(places: Places) -> None:
    services = start(places)
    ask(services, "CREATE TABLE broker (name text)")
    ask(services, "INSERT INTO broker VALUES ('Harbour Securities')")
    with broker(places) as client:
        client.rpush("calls", "Ms Chan")
    services.stop()

    again = start(places)

    assert again == services
    assert ask(again, "SELECT name FROM broker") == "Harbour Securities"
    with broker(places) as client:
        assert client.lrange("calls", 0, -1) == ["Ms Chan"]
    again.stop()


def test_after_kill_9_of_both_servers_the_next_start_recovers_what_was_committed(places: Places) -> None:
    services = start(places)
    ask(services, "CREATE TABLE broker (name text)")
    ask(services, "INSERT INTO broker VALUES ('Harbour Securities')")
    with broker(places) as client:
        client.rpush("calls", "Ms Chan")
        # Synced within the second by itself; the test does not wait for it.
        client.execute_command("WAITAOF", 1, 0, 5000)
        valkey_pid = int(client.info("server")["process_id"])
    os.kill(server_pid(places), signal.SIGKILL)
    os.kill(valkey_pid, signal.SIGKILL)
    assert (places.cluster_dir / "data" / "postmaster.pid").exists()
    assert places.valkey_socket.exists()

    recovered = start(places)

    assert ask(recovered, "SELECT name FROM broker") == "Harbour Securities"
    with broker(places) as client:
        assert client.lrange("calls", 0, -1) == ["Ms Chan"]
    recovered.stop()
    services.stop()


def test_a_server_that_dies_while_it_is_being_adopted_is_replaced(places: Places) -> None:
    owner = Postgres(places)  # kept, so that its dead child stays a zombie
    owner.start()
    dying = server_pid(places)
    os.kill(dying, signal.SIGSTOP)
    end = threading.Timer(1, os.kill, (dying, signal.SIGKILL))
    end.start()

    assert Postgres(places).start() is True

    end.join()
    assert owner.is_ready()
    assert server_pid(places) != dying


def test_a_pid_file_that_names_another_program_does_not_stop_a_start(places: Places) -> None:
    server = Postgres(places)
    server.start()
    pid_file = places.cluster_dir / "data" / "postmaster.pid"
    stale = pid_file.read_text().splitlines()
    server.stop()
    pid_file.write_text("\n".join([str(os.getpid()), *stale[1:], ""]))

    assert Postgres(places).start() is True

    assert server_pid(places) != os.getpid()


def test_a_half_made_cluster_is_made_anew(places: Places) -> None:
    places.make()
    (places.cluster_dir / "data.new" / "base").mkdir(parents=True)
    (places.cluster_dir / "data" / "base").mkdir(parents=True)

    services = start(places)

    assert ask(services, "SELECT 1") == 1
    services.stop()


def test_a_second_process_adopts_the_servers_and_the_last_one_stops_them(places: Places) -> None:
    services = start(places)
    pid = server_pid(places)
    neighbour = start_neighbour(places)
    assert neighbour.stdout is not None
    assert neighbour.stdout.readline().strip() == services.database_url

    services.stop()

    assert server_pid(places) == pid
    assert ask(services, "SELECT 1") == 1
    neighbour.communicate("")
    assert neighbour.returncode == 0
    assert not Postgres(places).is_ready()
    assert not Valkey(places).is_ready()


def test_the_servers_of_a_killed_process_are_adopted_and_then_stopped(places: Places) -> None:
    neighbour = start_neighbour(places)
    assert neighbour.stdout is not None
    neighbour.stdout.readline()
    pid = server_pid(places)
    neighbour.kill()
    neighbour.communicate()
    assert Postgres(places).is_ready()

    services = start(places)

    assert server_pid(places) == pid
    services.stop()
    assert wait_until(lambda: not is_running(pid), seconds=10)


def test_two_processes_that_start_at_once_get_one_pair_of_servers(places: Places) -> None:
    neighbours = [start_neighbour(places) for _ in range(2)]
    urls = [neighbour.stdout.readline().strip() for neighbour in neighbours if neighbour.stdout]

    assert urls == [places.database_url] * 2

    codes = []
    for neighbour in neighbours:
        neighbour.communicate("")
        codes.append(neighbour.returncode)
    assert codes == [0, 0]
    assert not Postgres(places).is_ready()


def test_given_urls_are_used_as_they_are_and_nothing_is_started(places: Places) -> None:
    given = {"DATABASE_URL": "postgresql://books.example/lombard", "BROKER_URL": "rediss://queue.example/0"}

    services = ensure_services(places=places, environment=given)

    assert services.environment() == given
    services.stop()
    assert not places.cluster_dir.exists()


def test_a_cluster_of_another_major_version_is_refused_with_the_folder_and_both_numbers(
    places: Places,
) -> None:
    places.make()
    data_dir = places.cluster_dir / "data"
    data_dir.mkdir()
    (data_dir / "PG_VERSION").write_text("12\n")

    with pytest.raises(EmbeddedError) as refusal:
        Postgres(places).start()

    assert str(data_dir) in str(refusal.value)
    assert "was made by PostgreSQL 12" in str(refusal.value)
    assert (data_dir / "PG_VERSION").read_text() == "12\n"


def test_a_deep_state_folder_keeps_its_sockets_where_their_path_is_short_enough(tmp_path: Path) -> None:
    places = Places.of(tmp_path.joinpath(*["a folder with a rather long name"] * 5))

    assert len(os.fsencode(places.postgres_socket_dir / ".s.PGSQL.5432")) <= 103
    assert len(os.fsencode(places.valkey_socket)) <= 103


def test_a_folder_of_somebody_else_is_not_entered(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    state_dir = tmp_path / "state"
    state_dir.symlink_to(elsewhere)
    places = Places(state_dir, tmp_path / "c" / "c" / "postgres", tmp_path / "s", tmp_path / "v")

    with pytest.raises(EmbeddedError, match="belongs to somebody else"):
        places.make()


def test_folders_of_the_user_keep_their_permissions(places: Places) -> None:
    parent = places.state_dir / "closed"
    parent.mkdir(mode=0o700)
    inner = Places.of(parent / "state")
    server = Postgres(inner)

    server.start()

    modes = [folder.stat().st_mode & 0o777 for folder in (parent, inner.state_dir, inner.postgres_socket_dir)]
    assert modes == [0o700] * 3
    server.stop()
    shutil.rmtree(inner.cluster_dir.parent)


def test_the_secret_key_is_made_once_per_state_folder(places: Places) -> None:
    key = places.secret_key()

    assert len(key) >= 50
    assert Places.of(places.state_dir).secret_key() == key
    assert (places.state_dir / "secret_key").stat().st_mode & 0o077 == 0


def test_the_binaries_are_new_enough(places: Places) -> None:
    assert version_of(find_binaries(places)) >= 16


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("", False),
        ("help", False),
        ("migrate --help", False),
        ("compilemessages", False),
        ("collectstatic --noinput", False),
        ("check", False),
        ("check --database default", True),
        ("spectacular --validate", False),
        ("migrate", True),
        ("makemigrations --check", True),
        ("audit", True),
        ("benchmark ledger", False),
    ],
)
def test_commands_that_need_no_database_start_none(arguments: str, answer: bool) -> None:
    assert needs_services(["manage.py", *arguments.split()]) is answer


@pytest.mark.parametrize(
    ("environment", "answer"),
    [
        ({}, True),
        ({"DATABASE_URL": "postgresql://books.example/lombard"}, False),
        ({"DATABASE_URL": "postgresql://books.example/lombard", "LOMBARD_EMBEDDED": "1"}, True),
        ({"LOMBARD_EMBEDDED": "off"}, False),
    ],
)
def test_a_named_database_is_never_replaced(environment: dict[str, str], answer: bool) -> None:
    assert is_embedded(environment) is answer


def test_a_one_off_command_stops_the_servers_it_started(places: Places) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "BROKER_URL"}
    }
    script = (
        "import json\nfrom django.conf import settings\nfrom django.db import connection\n"
        "with connection.cursor() as cursor:\n"
        "    cursor.execute('SELECT current_user')\n"
        "    user = cursor.fetchone()[0]\n"
        "print(json.dumps([user, settings.CELERY_BROKER_URL]))\n"
    )

    answer = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", script],
        cwd=Path(__file__).resolve().parents[2],
        env=environment | {"LOMBARD_STATE_DIR": str(places.state_dir)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(answer.stdout) == ["lombard", places.broker_url]
    assert not Postgres(places).is_ready()
    assert not Valkey(places).is_ready()
