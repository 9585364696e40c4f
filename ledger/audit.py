"""The proof of the books: everything stored is recomputed from the entries, findings are data.

A check is a callable without arguments that yields what it found; the rooms above register theirs by
:func:`register`, and those that are one query by :func:`register_queries`. All checks of a run see the same
snapshot. The law of a room (its triggers and constraints) is checked too: :func:`register_law`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from django.db import connection, transaction

from . import law
from .hashes import altered_journals

FINDINGS_PER_CHECK_MAX: Final = 1_000
_ROWS_PER_FETCH: Final = 2_000
_SQL: Final = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that breaks one law. `subject` names the row as `journal <id>` or `account <id>`."""

    check: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]
    duration_ms: int


Check = Callable[[], Iterable[Finding]]
_checks: dict[str, Check] = {}


def register(name: str, check: Check) -> None:
    """Add a check under a dotted name such as `margin.loans_match_facilities`."""
    if name in _checks:
        raise ValueError(f"there is already a check {name}")
    _checks[name] = check


def register_queries(room: str, folder: Path) -> None:
    """Add each `*.sql` file of `folder` as a check `<room>.<file>`; a query gives (subject, message) rows."""
    for path in sorted(folder.glob("*.sql")):
        _register_query(f"{room}.{path.stem}", path.read_text(encoding="utf-8"))


def _register_query(name: str, query: str) -> None:
    _register_faults(name, lambda: _rows(query))


def _register_faults(name: str, faults: Callable[[], Iterable[tuple[str, str]]]) -> None:
    register(name, lambda: (Finding(name, subject, message) for subject, message in faults()))


def register_law(app_label: str, folder: Path) -> None:
    """Add a check that what `folder`'s SQL files and the models' constraints say is in force (see `ledger.law`)."""
    _register_faults(f"{app_label}.law_is_in_force", lambda: law.faults(app_label, folder))


def run() -> Report:
    """Run every check on one snapshot of the database and return what they found, in order of the checks."""
    started = time.monotonic()
    is_outermost = not connection.in_atomic_block
    findings: list[Finding] = []
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for check in _checks.values():
            findings += islice(check(), FINDINGS_PER_CHECK_MAX)
    duration_ms = int((time.monotonic() - started) * 1000)
    return Report(tuple(_checks), tuple(findings), duration_ms)


def _rows(query: str) -> Iterator[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(_ROWS_PER_FETCH):
            yield from rows


_DOMAINS: Final = (
    ("atoms", "atoms_are_whole"),
    ("ledger_entry_count", "ledger_journal_has_entries"),
    ("ledger_held_atoms", "ledger_balance_holds_are_positive"),
    ("ledger_moved_atoms", "ledger_entry_moves_something"),
)

register_queries("ledger", _SQL / "audit")
_register_faults("ledger.journals_match_their_hash", altered_journals)
_register_faults("ledger.domains_are_in_force", lambda: law.domain_faults("ledger", _DOMAINS))
register_law("ledger", _SQL)
register_law("core", _SQL.parent / "core" / "sql")
