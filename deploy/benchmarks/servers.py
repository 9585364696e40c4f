"""The server of a run and its databases: made for it, dropped after it, never anybody's own.

Without `DATABASE_URL` a temporary cluster is started on disk with fsync on. All yardsticks of a run share it, so
they share its settings too.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.core.management import call_command
from django.db import Error, connection
from psycopg import sql

from deploy.embedded.entry import is_embedded, stopped_orderly
from deploy.embedded.places import ROLE
from deploy.embedded.postgres import find_binaries
from deploy.embedded.temporary import TemporaryServers
from ledger.core.ids import uuid7

Database = Mapping[str, Any]
"""An entry of Django's DATABASES."""

_SHARED_BUFFERS_MB_MAX: Final = 2048
_SETTINGS: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_buffers": "64MB",
    # A checkpoint in the middle of one case and not of another would be measured as a difference between them.
    "max_wal_size": "8GB",
    "min_wal_size": "2GB",
    "checkpoint_timeout": "30min",
    "checkpoint_completion_target": "0.9",
    "max_connections": "100",
}
_SHOWN: Final = (
    *("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_level", "wal_sync_method"),
    *("shared_buffers", "wal_buffers", "max_wal_size", "checkpoint_timeout", "checkpoint_completion_target"),
)


class UnfitServer(RuntimeError):
    """A server whose figures would mean nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `place` tells people which, `pgbench` is the program to drive it if there is one."""

    database: Database
    place: str
    pgbench: Path | None


@contextmanager
def running_server() -> Iterator[Server]:
    """The server that `DATABASE_URL` names, else a temporary one that is removed with all it wrote."""
    if not is_embedded(os.environ):
        found = shutil.which("pgbench")
        with stopped_orderly(lambda: None):
            yield Server(
                dict(connection.settings_dict),
                "the one that DATABASE_URL names",
                Path(found) if found else None,
            )
        return
    servers = TemporaryServers(_disk(), "benchmark", settings=_settings())
    servers.remove_what_killed_runs_left()
    with stopped_orderly(servers.remove):
        servers.postgres.start()
        database = dict(connection.settings_dict) | {
            "HOST": str(servers.places.postgres_socket_dir),
            "USER": ROLE,
            "PASSWORD": "",
            "PORT": "",
        }
        pgbench = find_binaries(servers.places) / "pgbench"
        yield Server(database, f"data in {servers.postgres.data_dir}", pgbench if pgbench.exists() else None)


@contextmanager
def connected_to(database: Database) -> Iterator[None]:
    """Let Django's connection lead to `database` inside the block."""
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(database)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


@contextmanager
def migrated_database(server: Server) -> Iterator[Database]:
    """A database with Lombard's tables, connected to inside the block and dropped after it.

    Raises :class:`UnfitServer` when the server does not flush what it commits.
    """
    database = dict(server.database) | {"NAME": f"lombard_benchmark_{uuid7().hex}"}
    name = sql.Identifier(database["NAME"])
    with connected_to(server.database), connection._nodb_cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(name))
        cursor.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = on").format(name))
    try:
        with connected_to(database):
            refuse_unless_durable(shown_settings())
            call_command("migrate", verbosity=0)
            yield database
    finally:
        with connected_to(server.database), connection._nodb_cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def shown_settings() -> dict[str, str]:
    """What the connected server says of itself, as far as it bears on speed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) name", [list(_SHOWN)])
        return dict(cursor.fetchall())


def settle() -> None:
    """Write down and count what was filled in, so that this work does not fall into the measurement."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        try:
            cursor.execute("CHECKPOINT")
        except Error as error:
            if getattr(error.__cause__, "sqlstate", None) != "42501":
                raise


def refuse_unless_durable(settings: Mapping[str, str]) -> None:
    """Raise :class:`UnfitServer` when a commit may be acknowledged before it is on disk."""
    for name in ("fsync", "synchronous_commit"):
        if settings[name] != "on":
            raise UnfitServer(
                f"{name} is {settings[name]} on this server: figures would say nothing of a ledger."
            )


def _disk() -> Path:
    """A folder that outlives a restart: the temporary one may lie in memory, where a flush costs nothing."""
    lasting = Path("/var/tmp")  # noqa: S108
    return lasting if os.access(lasting, os.W_OK) else Path(tempfile.gettempdir())


def _settings() -> dict[str, str]:
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    shared_buffers_mb = max(128, min(_SHARED_BUFFERS_MB_MAX, memory_mb // 8))
    return _SETTINGS | {"shared_buffers": f"{shared_buffers_mb}MB"}
