"""Statements to take away: CSV for machines. `ledger/statement_pdf.py` is for people."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from django.http import StreamingHttpResponse

from ledger.core.decimals import plain

from .balances import natural
from .statements import Line, Statement, every_line

CSV_COLUMNS: Final = (
    "value_on",
    "booked_at",
    "journal",
    "kind",
    "cause",
    "narrative",
    "debit",
    "credit",
    "balance",
)
# A cell that begins so is taken for a formula by spreadsheets.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def units(statement: Statement, atoms: int) -> Decimal:
    """Return net atoms in units of the asset, positive on the account's normal side."""
    return natural(statement.account.role, statement.account.asset.units(atoms))


def sides(statement: Statement, line: Line) -> tuple[Decimal | None, Decimal | None]:
    """Return a line's amount as (debit, credit), one of which is None."""
    amount = statement.account.asset.units(line.amount_atoms)
    return (amount, None) if amount > 0 else (None, -amount)


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_rows(statement: Statement) -> Iterator[str]:
    """Give the statement as CSV, row by row: headings, opening, lines, closing.

    In UTF-8 with a mark at the beginning, without which spreadsheets spoil Chinese. Text that a spreadsheet would take
    for a formula begins with an apostrophe.
    """
    writer = csv.writer(_Echo())
    asset = statement.account.asset

    def row(cells: Iterable[object]) -> str:
        written: str = writer.writerow(list(cells))
        return written

    yield "\ufeff" + row(CSV_COLUMNS)
    opening = plain(units(statement, statement.opening_atoms))
    yield row([statement.first_on, "", "", "opening", "", "", "", "", opening])
    for line in every_line(statement):
        debit, credit = (plain(side) if side is not None else "" for side in sides(statement, line))
        texts = [_harmless(text) for text in (line.kind, line.cause, line.narrative)]
        balance = plain(natural(statement.account.role, asset.units(line.balance_atoms)))
        yield row(
            [line.place.value_on, line.booked_at.isoformat(), line.journal_id, *texts, debit, credit, balance]
        )
    closing = plain(units(statement, statement.closing_atoms))
    yield row([statement.last_on, "", "", "closing", "", "", "", "", closing])


def csv_response(statement: Statement) -> StreamingHttpResponse:
    """The whole statement, sent as it is read."""
    response = StreamingHttpResponse(csv_rows(statement), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{file_name(statement, "csv")}"'
    return response


def file_name(statement: Statement, ending: str) -> str:
    return f"statement-{statement.account.pk}-{statement.first_on}-{statement.last_on}.{ending}"


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
