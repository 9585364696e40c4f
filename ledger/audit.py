"""The proof of the books: everything stored is recomputed from the entries, findings are data.

A check is a callable without arguments that yields what it found; the rooms above register theirs by
:func:`register`, and those that are one query by :func:`register_queries`. All checks of a run see the same
snapshot. The law of a room (its triggers and constraints) is checked too: :func:`register_law`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from django.apps import apps
from django.db import connection, transaction

from ledger.core.decimals import from_atoms

from .requests import AccountKey, JournalRequest, Leg, body_hash

FINDINGS_PER_CHECK_MAX: Final = 1_000
_ROWS_PER_FETCH: Final = 2_000
_SQL: Final = Path(__file__).parent / "sql"
_TRIGGER = re.compile(
    r"^CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER (\w+)\b[^;]*?\bON (\w+)", re.MULTILINE
)


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
    register(name, lambda: (Finding(name, subject, message) for subject, message in _rows(query)))


def register_law(app_label: str, folder: Path) -> None:
    """Add a check that the triggers made by `folder`'s SQL files and the models' constraints are in force."""
    name = f"{app_label}.law_is_in_force"
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql")))
    register(name, lambda: _law_findings(name, app_label, set(_TRIGGER.findall(text))))


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


def _law_findings(name: str, app_label: str, triggers: set[tuple[str, str]]) -> Iterator[Finding]:
    constraints = {
        (constraint.name, model._meta.db_table)
        for model in apps.get_app_config(app_label).get_models()
        for constraint in model._meta.constraints
    }
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT tgname, tgrelid::regclass::text FROM pg_trigger
             WHERE tgenabled IN ('O', 'A') AND NOT tgisinternal
             UNION ALL
            SELECT conname, conrelid::regclass::text FROM pg_constraint
             WHERE convalidated AND conrelid <> 0
             UNION ALL
            SELECT indexrelid::regclass::text, indrelid::regclass::text FROM pg_index
             WHERE indisunique AND indisvalid
            """
        )
        in_force = set(cursor.fetchall())
    for rule, table in sorted((triggers | constraints) - in_force):
        yield Finding(name, f"table {table}", f"{rule} is missing or switched off")


def _altered_journals() -> Iterator[Finding]:
    """The body hash of each journal, made anew from what stands in the books."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            """
            SELECT j.id, j.body_hash, j.kind, j.value_on, j.cause, j.reversal_of_id, j.hold_id,
                   array_agg(c.role), array_agg(s.code), array_agg(c.owner), array_agg(coalesce(l.code, '')),
                   array_agg(e.amount_atoms::numeric), array_agg(s.scale)
              FROM ledger_journal j
              JOIN ledger_entry e ON e.journal_id = j.id
              JOIN ledger_account c ON c.id = e.account_id
              JOIN ledger_asset s ON s.id = c.asset_id
              LEFT JOIN ledger_location l ON l.id = c.location_id
             GROUP BY j.id, j.body_hash, j.kind, j.value_on, j.cause, j.reversal_of_id, j.hold_id
            """
        )
        while rows := cursor.fetchmany(_ROWS_PER_FETCH):
            for journal_id, recorded, *body in rows:
                if _hash_of(*body) != bytes(recorded):
                    yield Finding(
                        "ledger.journals_match_their_hash",
                        f"journal {journal_id}",
                        "its body is not the one its hash was made of",
                    )


def _hash_of(
    kind: str,
    value_on: date,
    cause: str,
    reversal_of: UUID | None,
    hold: UUID | None,
    roles: list[str],
    assets: list[str],
    owners: list[str],
    locations: list[str],
    amounts: list[Decimal],
    scales: list[int],
) -> bytes:
    columns = zip(roles, assets, owners, locations, amounts, scales, strict=True)
    legs = tuple(
        Leg(AccountKey(role, asset, owner, location), from_atoms(int(amount), scale))
        for role, asset, owner, location, amount, scale in columns
    )
    request = JournalRequest(
        key="", kind=kind, legs=legs, value_on=value_on, cause=cause, reversal_of=reversal_of, hold=hold
    )
    return body_hash(request, legs)


register_queries("ledger", _SQL / "audit")
register("ledger.journals_match_their_hash", _altered_journals)
register_law("ledger", _SQL)
register_law("core", _SQL.parent / "core" / "sql")
