"""What an account began with, what moved it at each value date, and what it ended with.

A statement is of one account as people know it: the slots of a house account are one. Its lines stand by value date and,
within a date, by version. It is of one moment: of a sealed block (`known_at`), or of what was committed when it was opened,
which is remembered as the newest version of each slot. So pages read later fit together whatever is booked meanwhile, and
opening plus lines is closing, exactly.

A page costs what stands on it. Which versions of an account lie at a value date is kept by the seal (`ledger_balance_day`),
so only those are read, and past them the entries that are not sealed yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from ledger.core.errors import Invalid

from .as_of import check_block
from .models import Account
from .slots import slots_of

LINES_PER_PAGE_MAX: Final = 5_000
_BEFORE_ALL: Final = date(1, 1, 2)


class Place(NamedTuple):
    """Where a line stands, and what stood on the account after it (net atoms, debit positive)."""

    value_on: date
    version: int
    account_id: int
    balance_atoms: int


@dataclass(frozen=True, slots=True)
class Line:
    """One entry. Atoms are debit positive; the balance is that of the statement after this line."""

    place: Place
    journal_id: UUID
    booked_at: datetime
    kind: str
    cause: str
    narrative: str
    amount_atoms: int

    @property
    def balance_atoms(self) -> int:
        return self.place.balance_atoms


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement without its lines: :func:`read_lines` gives them. Atoms are debit positive.

    `versions` names the slots and the newest version of each that counts; `known_at` the block, if it is of one.
    """

    account: Account
    first_on: date
    last_on: date
    known_at: int | None
    versions: Mapping[int, int]
    opening_atoms: int
    closing_atoms: int


def open_statement(
    account: Account, *, first_on: date, last_on: date, known_at: int | None = None
) -> Statement:
    """Open the statement of an account from `first_on` to `last_on`, both included.

    Raises :class:`Invalid` when the last day is before the first, and (`unknown_block`) for a block that is not there.
    """
    if last_on < first_on or first_on < _BEFORE_ALL:
        raise Invalid(_("The last day is before the first."), field="to", code="out_of_range")
    if known_at is not None:
        check_block(account.book, known_at)
    with connection.cursor() as cursor:
        cursor.execute(
            _BOUNDS,
            {
                "accounts": sorted(slots_of(account).values_list("pk", flat=True)),
                "first": first_on,
                "last": last_on,
                "block": known_at,
            },
        )
        rows = cursor.fetchall()
    return Statement(
        account=account,
        first_on=first_on,
        last_on=last_on,
        known_at=known_at,
        versions={slot: version for slot, version, _opening, _closing in rows},
        opening_atoms=int(sum(row[2] for row in rows)),
        closing_atoms=int(sum(row[3] for row in rows)),
    )


def read_lines(statement: Statement, *, after: Place | None = None, limit: int) -> list[Line]:
    """Return up to `limit` lines after a place, in order; the last one's place is where to go on."""
    if not 1 <= limit <= LINES_PER_PAGE_MAX:
        raise ValueError(f"a page has 1 to {LINES_PER_PAGE_MAX} lines")
    asked: dict[str, Any] = {
        "accounts": list(statement.versions),
        "tops": list(statement.versions.values()),
        "book": statement.account.book_id,
        "block": statement.known_at,
        "first": after.value_on if after else statement.first_on,
        "last": statement.last_on,
        "on": after.value_on if after else _BEFORE_ALL,
        "version": after.version if after else 0,
        "account": after.account_id if after else 0,
        "limit": limit,
    }
    asked["bound_on"], asked["bound_version"] = _bound(asked)
    with connection.cursor() as cursor:
        cursor.execute(_LINES.replace("UNSEALED", _UNSEALED), asked)
        rows = cursor.fetchall()
    balance = after.balance_atoms if after else statement.opening_atoms
    lines = []
    for value_on, version, account_id, journal_id, booked_at, kind, cause, narrative, amount in rows:
        balance += int(amount)
        place = Place(value_on, version, account_id, balance)
        lines.append(Line(place, journal_id, booked_at, kind, cause, narrative, int(amount)))
    return lines


def every_line(statement: Statement) -> Iterator[Line]:
    """Give all lines, page by page."""
    place: Place | None = None
    while lines := read_lines(statement, after=place, limit=LINES_PER_PAGE_MAX):
        yield from lines
        if len(lines) < LINES_PER_PAGE_MAX:
            return
        place = lines[-1].place


def balances_by_day(statement: Statement) -> list[tuple[date, int]]:
    """Return what stood at the end of each value date on which something moved, in order; atoms debit positive.

    Reads the days that the seal keeps and not their entries, but for a day of which the statement holds a part only.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _MOVED.replace("UNSEALED", _UNSEALED),
            {
                "accounts": list(statement.versions),
                "tops": list(statement.versions.values()),
                "book": statement.account.book_id,
                "block": statement.known_at,
                "first": statement.first_on,
                "last": statement.last_on,
            },
        )
        rows = cursor.fetchall()
    balance = statement.opening_atoms
    days = []
    for value_on, moved in rows:
        balance += int(moved)
        days.append((value_on, balance))
    return days


def newest_value_date(statement: Statement) -> date | None:
    """Return the value date of what was booked last on the account, whenever that is; None if nothing ever was."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [list(statement.versions)])
        found = cursor.fetchone()
    return found[0] if found else None


def _bound(asked: dict[str, Any]) -> tuple[date | None, int]:
    """Find how far the sealed lines of a page can reach: a value date and a version on it; None for to the end.

    Walks the sealed days until they hold more entries than the page; a day whose versions only partly count, because
    the page begins or the statement ends among them, is reckoned as none.
    """
    most = asked["limit"] + 1
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_DAYS, asked | {"rows": most})
            days = cursor.fetchall()
        found = 0
        reach: dict[date, int] = {}
        for value_on, first_version, last_version, entries, top in days:
            reach[value_on] = max(reach.get(value_on, 0), last_version)
            is_begun = value_on == asked["on"] and first_version <= asked["version"]
            found += 0 if is_begun or last_version > top else entries
            if found > asked["limit"]:
                return value_on, reach[value_on]
        if len(days) < most:
            return None, 0
        most *= 4


_BOUNDS: Final = """
SELECT o.account_id, o.version, o.net_atoms, c.net_atoms
  FROM ledger_as_of(%(accounts)s::bigint[], %(first)s::date - 1, %(block)s::bigint) o
  JOIN ledger_as_of(%(accounts)s::bigint[], %(last)s::date, %(block)s::bigint) c USING (account_id)
 ORDER BY o.account_id
"""

_DAYS: Final = """
SELECT d.value_on, d.first_version, d.last_version, d.entry_count, a.top
  FROM unnest(%(accounts)s::bigint[], %(tops)s::bigint[]) AS a(id, top)
 CROSS JOIN LATERAL (
    SELECT b.value_on, b.first_version, b.last_version, b.entry_count FROM ledger_balance_day b
     WHERE b.account_id = a.id AND b.value_on BETWEEN %(first)s AND %(last)s
       AND (b.value_on > %(on)s OR b.last_version >= %(version)s)
       AND b.block <= coalesce(%(block)s::bigint, 9223372036854775807)
     ORDER BY b.value_on, b.first_version LIMIT %(rows)s) d
 ORDER BY d.value_on, d.first_version, a.id
 LIMIT %(rows)s
"""

# What is committed and in no block yet, of the `asked` accounts and past the transactions that are `sealed`; stands where
# the queries below say UNSEALED.
_UNSEALED: Final = """
    SELECT u.* FROM asked a
      LEFT JOIN LATERAL (SELECT d.known_entries AS entries FROM ledger_balance_day d WHERE d.account_id = a.id
                          ORDER BY d.block DESC LIMIT 1) known ON true
      CROSS JOIN LATERAL (
        SELECT j.value_on, e.version, e.account_id, j.id, j.booked_at, j.kind, j.cause, j.narrative, e.amount_atoms
          FROM ledger_entry e
         CROSS JOIN LATERAL (SELECT * FROM ledger_journal WHERE id = e.journal_id OFFSET 0) j
         WHERE %(block)s::bigint IS NULL AND e.account_id = a.id AND j.transaction >= (SELECT below FROM sealed)
         ORDER BY e.version DESC
         LIMIT (SELECT greatest(b.version - coalesce(known.entries, 0), 0) FROM ledger_balance b
                 WHERE b.account_id = a.id)) u
     WHERE u.value_on BETWEEN %(first)s AND %(last)s AND u.version <= a.top
"""

# Sealed versions are read in ranges that do not overlap, each from its beginning and no further than the page is long; what
# is not sealed is found from the newest version back, as `ledger_as_of` does. A journal is looked up for each entry, so
# that one month is opened and none is read whole.
_LINES: Final = """
WITH asked AS MATERIALIZED (
    SELECT a.id, CASE WHEN %(block)s::bigint IS NULL THEN a.top ELSE 9223372036854775807 END AS top
      FROM unnest(%(accounts)s::bigint[], %(tops)s::bigint[]) AS a(id, top)
), sealed AS MATERIALIZED (
    SELECT coalesce((SELECT k.to_transaction FROM ledger_block k
                      WHERE k.book_id = %(book)s AND k.number <= coalesce(%(block)s::bigint, 9223372036854775807)
                      ORDER BY k.number DESC LIMIT 1), '0'::xid8) AS below
), ranges AS MATERIALIZED (
    SELECT d.account_id, d.value_on, a.top, unnest(range_agg(int8range(d.first_version, d.last_version, '[]'))) AS versions
      FROM asked a JOIN ledger_balance_day d ON d.account_id = a.id
     WHERE d.value_on BETWEEN %(first)s AND coalesce(%(bound_on)s::date, %(last)s)
       AND (d.value_on > %(on)s OR d.last_version >= %(version)s)
       AND (%(bound_on)s::date IS NULL OR d.value_on < %(bound_on)s::date OR d.first_version <= %(bound_version)s)
       AND d.block <= coalesce(%(block)s::bigint, 9223372036854775807)
     GROUP BY d.account_id, d.value_on, a.top
), found AS (
    SELECT l.* FROM ranges r CROSS JOIN LATERAL (
        SELECT j.value_on, e.version, e.account_id, j.id, j.booked_at, j.kind, j.cause, j.narrative, e.amount_atoms
          FROM ledger_entry e
         CROSS JOIN LATERAL (SELECT * FROM ledger_journal WHERE id = e.journal_id OFFSET 0) j
         WHERE e.account_id = r.account_id
           AND e.version >= greatest(lower(r.versions), CASE WHEN r.value_on = %(on)s THEN %(version)s ELSE 0 END)
           AND e.version < upper(r.versions) AND e.version <= r.top
           AND j.value_on = r.value_on AND j.transaction < (SELECT below FROM sealed)
         ORDER BY e.version LIMIT %(limit)s + 1) l
    UNION ALL
    UNSEALED
)
SELECT value_on, version, account_id, id, booked_at, kind, cause, narrative, amount_atoms FROM found
 WHERE (value_on, version, account_id) > (%(on)s, %(version)s, %(account)s)
 ORDER BY value_on, version, account_id
 LIMIT %(limit)s
"""

# A day that was sealed while the statement is read may hold versions past its top: of those its entries are read.
_MOVED: Final = """
WITH asked AS MATERIALIZED (
    SELECT a.id, CASE WHEN %(block)s::bigint IS NULL THEN a.top ELSE 9223372036854775807 END AS top
      FROM unnest(%(accounts)s::bigint[], %(tops)s::bigint[]) AS a(id, top)
), sealed AS MATERIALIZED (
    SELECT coalesce((SELECT k.to_transaction FROM ledger_block k WHERE k.book_id = %(book)s ORDER BY k.number DESC LIMIT 1),
                    '0'::xid8) AS below
), days AS MATERIALIZED (
    SELECT d.*, a.top FROM asked a JOIN ledger_balance_day d ON d.account_id = a.id
     WHERE d.value_on BETWEEN %(first)s AND %(last)s AND d.block <= coalesce(%(block)s::bigint, 9223372036854775807)
       AND d.first_version <= a.top
), moved AS (
    SELECT d.value_on, d.delta_atoms AS atoms FROM days d WHERE d.last_version <= d.top
    UNION ALL
    SELECT d.value_on, e.amount_atoms
      FROM days d
      JOIN ledger_block k ON k.book_id = %(book)s AND k.number = d.block
      JOIN ledger_entry e ON e.account_id = d.account_id AND e.version BETWEEN d.first_version AND d.top
     CROSS JOIN LATERAL (SELECT * FROM ledger_journal WHERE id = e.journal_id OFFSET 0) j
     WHERE d.last_version > d.top AND j.value_on = d.value_on
       AND j.transaction >= k.from_transaction AND j.transaction < k.to_transaction
    UNION ALL
    SELECT u.value_on, u.amount_atoms FROM (UNSEALED) u
)
SELECT value_on, sum(atoms) FROM moved GROUP BY value_on ORDER BY value_on
"""

_NEWEST: Final = """
SELECT j.value_on
  FROM unnest(%s::bigint[]) AS a(id)
 CROSS JOIN LATERAL (SELECT e.journal_id FROM ledger_entry e WHERE e.account_id = a.id ORDER BY e.version DESC LIMIT 1) e
  JOIN ledger_journal j ON j.id = e.journal_id
 ORDER BY j.id DESC LIMIT 1
"""
