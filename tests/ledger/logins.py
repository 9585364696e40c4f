"""Logins of the tests' PostgreSQL: who is who, and the application run as one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from django.core.management import call_command
from django.db import connection
from psycopg import sql as psql

from deploy.embedded.processes import wait_until

from .books import sql

SUPERUSER: Final = "postgres"  # the embedded server trusts whoever can open its socket
WEB, TELLER, ANALYST, NOTARY = "harbour_web", "harbour_teller", "harbour_analyst", "harbour_notary"
GROUPS: Final = {
    WEB: "lombard_application",
    TELLER: "lombard_poster",
    ANALYST: "lombard_reader",
    NOTARY: "lombard_sealer",
}


def url_of(login: str) -> str:
    """How libpq names the test database for a login."""
    settings = connection.settings_dict
    words = {"dbname": settings["NAME"], "user": login, "host": settings["HOST"], "port": settings["PORT"]}
    return psycopg.conninfo.make_conninfo("", **{name: word for name, word in words.items() if word})


def connect(login: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(url_of(login), autocommit=True)


def make_logins() -> None:
    """Make the roles in the test database, and of each a login that is given it."""
    call_command("roles", "--apply", "--database-url", url_of(SUPERUSER), verbosity=0, stdout=_Silence())
    with connect(SUPERUSER) as opened:
        for login, group in GROUPS.items():
            names = {"login": psql.Identifier(login), "group": psql.Identifier(group)}
            if not opened.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [login]).fetchone():
                opened.execute(psql.SQL("CREATE ROLE {login} LOGIN").format(**names))
            opened.execute(psql.SQL("GRANT {group} TO {login}").format(**names))


@contextmanager
def application_as(login: str) -> Iterator[None]:
    """Let Django connect as `login`, in every thread, until the end of the block."""
    owner = connection.settings_dict["USER"]
    connection.close()
    connection.settings_dict["USER"] = login
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["USER"] = owner


def wait_for_their_end() -> None:
    """Wait until the logins' backends have left: the owner, who puts the database back, may not end them."""
    left = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename <> current_user"
    assert wait_until(lambda: not sql(left), seconds=10)


class _Silence:
    def write(self, _text: str) -> None:
        return

    def flush(self) -> None:
        return

    def isatty(self) -> bool:
        return False
