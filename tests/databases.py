"""Whole databases, copied and dropped: how tests that commit get their ground back."""

from __future__ import annotations

import time
from typing import Any, Final

from django.db import ProgrammingError, connection
from psycopg import sql

GONE_SECONDS_MAX: Final = 20


def copy_database(source: str, target: str) -> None:
    """Replace the database `target` by a copy of `source`; nobody may be connected to either."""
    connection.close()
    with connection._nodb_cursor() as cursor:
        _drop(cursor, target)
        cursor.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(target), sql.Identifier(source)
            )
        )


def drop_database(name: str) -> None:
    """Drop a database that was made by :func:`copy_database`, if it is there."""
    with connection._nodb_cursor() as cursor:
        _drop(cursor, name)


def _drop(cursor: Any, name: str) -> None:
    """Drop a database; a superuser's session or the vacuum, which may not be ended, is waited for."""
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while True:
        try:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        except ProgrammingError as error:
            denied = getattr(error.__cause__, "sqlstate", None) == "42501"
            if not denied or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
