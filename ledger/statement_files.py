"""Statements to take away: CSV for machines. `ledger/statement_pdf.py` is for people."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from django.http import StreamingHttpResponse

from ledger.core import csv_files
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


def units(statement: Statement, atoms: int) -> Decimal:
    """Return net atoms in units of the asset, positive on the account's normal side."""
    return natural(statement.account.role, statement.account.asset.units(atoms))


def sides(statement: Statement, line: Line) -> tuple[Decimal | None, Decimal | None]:
    """Return a line's amount as (debit, credit), one of which is None."""
    amount = statement.account.asset.units(line.amount_atoms)
    return (amount, None) if amount > 0 else (None, -amount)


def csv_rows(statement: Statement) -> Iterator[str]:
    """Give the statement as CSV, row by row: headings, opening, lines, closing.

    Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    asset = statement.account.asset
    row = csv_files.line
    yield csv_files.BYTE_ORDER_MARK + row(CSV_COLUMNS)
    opening = plain(units(statement, statement.opening_atoms))
    yield row([statement.first_on, "", "", "opening", "", "", "", "", opening])
    for line in every_line(statement):
        debit, credit = (plain(side) if side is not None else "" for side in sides(statement, line))
        texts = [csv_files.harmless(text) for text in (line.kind, line.cause, line.narrative)]
        balance = plain(natural(statement.account.role, asset.units(line.balance_atoms)))
        yield row(
            [line.place.value_on, line.booked_at.isoformat(), line.journal_id, *texts, debit, credit, balance]
        )
    closing = plain(units(statement, statement.closing_atoms))
    yield row([statement.last_on, "", "", "closing", "", "", "", "", closing])


def csv_response(statement: Statement) -> StreamingHttpResponse:
    """The whole statement, sent as it is read."""
    return csv_files.response(file_name(statement, "csv"), csv_rows(statement))


def file_name(statement: Statement, ending: str) -> str:
    return f"statement-{statement.account.pk}-{statement.first_on}-{statement.last_on}.{ending}"
