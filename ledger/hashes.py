"""Journals whose body is not the one their hash was made of: the amounts, accounts, dates and words as they stand.

PostgreSQL makes every hash anew, as :func:`ledger.requests.body_hash` does, and only what differs is looked at again in
Python: text outside ASCII is written in another way there, and who alters a journal may not hide behind that.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from ledger.core.decimals import from_atoms

from .requests import AccountKey, JournalRequest, Leg, body_hash

_ROWS_PER_FETCH: Final = 2_000
_DIFFERING: Final = """
WITH named AS MATERIALIZED (
    SELECT c.id, c.role COLLATE "C" AS role, s.code COLLATE "C" AS asset, c.owner COLLATE "C" AS owner,
           coalesce(l.code, '') COLLATE "C" AS location, ('1e-' || s.scale)::numeric AS unit,
           concat_ws(',', to_json(c.role), to_json(s.code), to_json(c.owner), to_json(coalesce(l.code, ''))) AS quoted
      FROM ledger_account c JOIN ledger_asset s ON s.id = c.asset_id LEFT JOIN ledger_location l ON l.id = c.location_id
), legs AS (
    SELECT e.journal_id, string_agg('[' || n.quoted || ',"' || m.units || '"]', ','
                                    ORDER BY n.role, n.asset, n.owner, n.location, m.units COLLATE "C") AS written
      FROM ledger_entry e JOIN named n ON n.id = e.account_id
     CROSS JOIN LATERAL (SELECT trim_scale(e.amount_atoms::numeric * n.unit)::text AS units) m
     GROUP BY e.journal_id
)
SELECT j.id FROM ledger_journal j JOIN legs ON legs.journal_id = j.id
 WHERE j.body_hash <> sha256(convert_to(
       format('{"kind":%s,"value_on":"%s","cause":%s,"reversal_of":"%s","legs":[%s]%s}', to_json(j.kind),
              to_char(j.value_on, 'YYYY-MM-DD'), to_json(j.cause), j.reversal_of_id, legs.written,
              ',"hold":"' || j.hold_id || '"'), 'UTF8'))
"""
_BODIES: Final = """
SELECT j.id, j.body_hash, j.kind, j.value_on, j.cause, j.reversal_of_id, j.hold_id,
       array_agg(c.role), array_agg(s.code), array_agg(c.owner), array_agg(coalesce(l.code, '')),
       array_agg(e.amount_atoms::numeric), array_agg(s.scale)
  FROM ledger_journal j
  JOIN ledger_entry e ON e.journal_id = j.id
  JOIN ledger_account c ON c.id = e.account_id
  JOIN ledger_asset s ON s.id = c.asset_id
  LEFT JOIN ledger_location l ON l.id = c.location_id
 WHERE j.id = ANY (%s)
 GROUP BY j.id, j.body_hash, j.kind, j.value_on, j.cause, j.reversal_of_id, j.hold_id
"""


def altered_journals() -> Iterator[tuple[str, str]]:
    """Yield (subject, message) for each journal that is not what was asked for when it was booked."""
    with connection.chunked_cursor() as differing, connection.cursor() as cursor:
        differing.execute(_DIFFERING)
        while rows := differing.fetchmany(_ROWS_PER_FETCH):
            cursor.execute(_BODIES, [[journal_id for [journal_id] in rows]])
            for journal_id, recorded, *body in cursor.fetchall():
                if _hash_of(*body) != bytes(recorded):
                    yield f"journal {journal_id}", "its body is not the one its hash was made of"


def _hash_of(kind: str, value_on: Any, cause: str, reversal_of: Any, hold: Any, *columns: list[Any]) -> bytes:
    legs = tuple(
        Leg(AccountKey(role, asset, owner, location), from_atoms(int(Decimal(amount)), scale))
        for role, asset, owner, location, amount, scale in zip(*columns, strict=True)
    )
    request = JournalRequest(
        key="", kind=kind, legs=legs, value_on=value_on, cause=cause, reversal_of=reversal_of, hold=hold
    )
    return body_hash(request, legs)
