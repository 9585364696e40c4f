"""The months in which journals and entries lie, made ahead of time.

A journal lies in the month of its id, which is made by the system's clock and not by that of a replay. A month that is
missing stops posting, so three are made ahead, after every migration and every day, and the audit says when none is left.
"""

from __future__ import annotations

from django.db import connection


def make_ahead() -> int:
    """Make the present month and the three after it, where they are not there yet; returns how many were made.

    May run at any time and by many at once; the database lets one make them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_ensure_partitions(day, day) FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS day) t"
        )
        (made,) = cursor.fetchone()
    return made


def make_after_migration(**_signal: object) -> None:
    """Make them as soon as the ledger's migrations stand; a migration backwards may have taken the function away."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regproc('ledger_ensure_partitions') IS NOT NULL")
        (is_there,) = cursor.fetchone()
    if is_there:
        make_ahead()
