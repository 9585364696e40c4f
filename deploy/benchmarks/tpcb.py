"""The yardstick of the machine: pgbench's own TPC-B with 8 clients and prepared statements.

It has a schema of its own in the database of the run. A run of pgbench vacuums its small tables first, as pgbench
does unless told otherwise, so it is at its best.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.db import connection

SCALE: Final = 50
SCALE_QUICK: Final = 2
CLIENTS: Final = 8
_SCHEMA: Final = "tpcb"
_LIBPQ: Final = {
    "HOST": "PGHOST",
    "PORT": "PGPORT",
    "USER": "PGUSER",
    "PASSWORD": "PGPASSWORD",
    "NAME": "PGDATABASE",
}


class Tpcb:
    """pgbench against one database."""

    def __init__(self, pgbench: Path, database: Mapping[str, Any]) -> None:
        self._pgbench = pgbench
        self._environment = libpq_environment(database) | {"PGOPTIONS": f"-c search_path={_SCHEMA}"}

    def lay(self, scale: int) -> None:
        """Make and fill its tables."""
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {_SCHEMA}")
        self._run("--initialize", "--quiet", f"--scale={scale}")

    def per_second(self, seconds: float) -> float:
        """Transactions per second; pgbench counts whole seconds, so a part of one is a whole one."""
        answer = self._run(
            *("--protocol=prepared", f"--client={CLIENTS}", f"--jobs={min(CLIENTS, os.cpu_count() or 1)}"),
            f"--time={max(1, round(seconds))}",
        )
        return transactions_per_second(answer)

    def _run(self, *options: str) -> str:
        answer = subprocess.run(  # noqa: S603
            [str(self._pgbench), *options],
            env=dict(os.environ) | self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            raise RuntimeError(f"pgbench failed:\n{answer.stderr.strip()}")
        return answer.stdout


def transactions_per_second(answer: str) -> float:
    """Read what pgbench printed.

    >>> transactions_per_second("latency average = 1.9 ms\\ntps = 4210.123 (without initial connection time)")
    4210.123
    """
    found = re.search(r"^tps = ([0-9.]+)", answer, re.MULTILINE)
    if found is None:
        raise ValueError(f"pgbench named no rate:\n{answer}")
    return float(found[1])


def libpq_environment(database: Mapping[str, Any]) -> dict[str, str]:
    """Name a Django database to a libpq program by its environment, where no process list shows the password.

    >>> libpq_environment({"HOST": "/run", "PORT": "", "NAME": "books", "OPTIONS": {"sslmode": "require"}})
    {'PGHOST': '/run', 'PGDATABASE': 'books', 'PGSSLMODE': 'require'}
    """
    named = {variable: str(database[name]) for name, variable in _LIBPQ.items() if database.get(name)}
    options = database.get("OPTIONS", {})
    return named | {
        f"PG{option.upper()}": str(value) for option, value in options.items() if option.startswith("ssl")
    }
