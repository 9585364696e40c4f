"""History by the file: tens of thousands of prices checked line by line and written in a few statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Final, TextIO

from django.db import connection, transaction
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.errors import Conflict, Invalid, Refusal
from ledger.core.events import record_event

from .checks import check_observed_at, check_source
from .models import Instrument, Price
from .prices import check_price
from .tables import LineError, read_lines

COLUMNS: Final = ("code", "price", "currency", "observed_at")
ROWS_PER_STATEMENT: Final = 10_000

_WRITE = """
INSERT INTO collateral_price (instrument_id, price, currency, observed_at, source, received_at)
SELECT r.*, %s, %s FROM unnest(%s::bigint[], %s::numeric[], %s::text[], %s::timestamptz[]) AS r
    ON CONFLICT (instrument_id, source, observed_at) WHERE adjustment_id IS NULL DO NOTHING
RETURNING id
"""

_CONTRADICTED = """
SELECT r.line, p.price
  FROM unnest(%s::int[], %s::bigint[], %s::numeric[], %s::timestamptz[])
       AS r (line, instrument_id, price, observed_at)
  JOIN collateral_price p USING (instrument_id, observed_at)
 WHERE p.source = %s AND p.price <> r.price AND p.adjustment_id IS NULL
"""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One line of history: `price` and `observed_at` (ISO 8601 with a zone) may still be text."""

    code: str
    price: Decimal | str
    currency: str
    observed_at: datetime | str
    line: int = 0


@dataclass(frozen=True, slots=True)
class PriceImport:
    """What became of a file of prices; `unchanged` lines were known with the same values."""

    created: int
    unchanged: int
    errors: tuple[LineError, ...]


@dataclass(frozen=True, slots=True)
class _Checked:
    line: int
    instrument_id: int
    price: Decimal
    currency: str
    observed_at: datetime


@dataclass(slots=True)
class _Lines:
    """Turns rows into checked ones and keeps the refusals."""

    instruments: dict[str, tuple[int, str]]
    errors: list[LineError] = field(default_factory=list)
    last_seen: dict[int, tuple[datetime, int]] = field(default_factory=dict)

    def checked(self, rows: Iterable[PriceRow]) -> Iterator[_Checked]:
        for number, row in enumerate(rows, start=1):
            line = row.line or number
            try:
                yield self._check(line, row)
            except Refusal as refusal:
                self.errors.append(LineError.of(line, refusal))

    def _check(self, line: int, row: PriceRow) -> _Checked:
        if row.code not in self.instruments:
            raise Invalid(
                _("%(code)s is not a known instrument.") % {"code": row.code},
                field="code",
                code="UNKNOWN_INSTRUMENT",
            )
        instrument_id, trading_currency = self.instruments[row.code]
        price = check_price(row.price, row.currency, trading_currency=trading_currency)
        observed_at = check_observed_at(moment(row.observed_at))
        before_at, before_line = self.last_seen.get(instrument_id, (observed_at, line))
        if observed_at < before_at:
            raise Invalid(
                _("It is older than line %(line)s of the same instrument.") % {"line": before_line},
                field="observed_at",
                code="OUT_OF_ORDER",
            )
        self.last_seen[instrument_id] = observed_at, line
        return _Checked(line, instrument_id, price, row.currency, observed_at)


def read_prices(file: TextIO | Iterable[str]) -> Iterator[PriceRow]:
    """Yield the lines of a file with the columns code, price, currency and observed_at.

    Raises Invalid (`missing_columns`); the values are checked by :func:`import_prices`.
    """
    for line, row in read_lines(file, columns=COLUMNS):
        yield PriceRow(row["code"], row["price"], row["currency"], row["observed_at"], line)


@transaction.atomic
def import_prices(rows: Iterable[PriceRow], *, source: str, actor: str) -> PriceImport:
    """Write history of one source, oldest line first for each instrument.

    A bad line is left out and reported by number; the others are written. Codes: `UNKNOWN_INSTRUMENT`,
    `INEXACT`, `NOT_POSITIVE`, `WRONG_CURRENCY`, `NOT_A_TIME`, `NO_TIME_ZONE`, `FROM_THE_FUTURE`,
    `OUT_OF_ORDER` and `CONFLICT` (the source gave another price for that moment). Jumps are not judged.
    Raises Invalid (`INVALID_SOURCE`).
    """
    check_source(source)
    known = Instrument.objects.values_list("code", "pk", "trading_currency")
    lines = _Lines({code: (pk, currency) for code, pk, currency in known})
    checked = lines.checked(rows)
    created = unchanged = newest = 0
    while chunk := list(islice(checked, ROWS_PER_STATEMENT)):
        ids, contradicted = _write(chunk, source)
        lines.errors += contradicted
        created += len(ids)
        unchanged += len(chunk) - len(ids) - len(contradicted)
        newest = max([newest, *ids])
    if created:
        record_event(
            "collateral.price.imported",
            Price(pk=newest),
            actor=actor,
            source=source,
            created=created,
            refused=len(lines.errors),
        )
    return PriceImport(created, unchanged, tuple(sorted(lines.errors, key=lambda error: error.line)))


def _write(chunk: list[_Checked], source: str) -> tuple[list[int], list[LineError]]:
    instruments = [row.instrument_id for row in chunk]
    prices = [row.price for row in chunk]
    times = [row.observed_at for row in chunk]
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE, [source, clock.now(), instruments, prices, [row.currency for row in chunk], times]
        )
        ids = [row[0] for row in cursor.fetchall()]
        if len(ids) == len(chunk):
            return ids, []
        cursor.execute(_CONTRADICTED, [[row.line for row in chunk], instruments, prices, times, source])
        return ids, [LineError.of(line, _conflict(source, price)) for line, price in cursor.fetchall()]


def _conflict(source: str, price: Decimal) -> Refusal:
    return Conflict(
        _("%(source)s already gave %(price)s for that moment.") % {"source": source, "price": price},
        code="CONFLICT",
    )


def moment(value: datetime | str) -> datetime:
    """Return the time a cell names in ISO 8601; Invalid (`NOT_A_TIME`) where it names none."""
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise Invalid(
            _("%(text)s is no time; write 2026-03-07T02:59:30+08:00.") % {"text": value},
            field="observed_at",
            code="NOT_A_TIME",
        ) from error
