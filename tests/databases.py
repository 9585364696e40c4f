"""Whole databases, copied and dropped: how tests that commit get their ground back."""

from __future__ import annotations

from django.db import connection
from psycopg import sql


def copy_database(source: str, target: str) -> None:
    """Replace the database `target` by a copy of `source`; nobody may be connected to either."""
    connection.close()
    with connection._nodb_cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(target)))
        cursor.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(target), sql.Identifier(source)
            )
        )


def drop_database(name: str) -> None:
    """Drop a database that was made by :func:`copy_database`, if it is there."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
