"""Statements to take away: CSV for machines, PDF for people."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from html import escape
from io import BytesIO
from typing import Any, Final

from django.http import HttpResponse, StreamingHttpResponse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from ledger.core import clock
from ledger.core.decimals import plain
from ledger.core.errors import Invalid
from ledger.core.formatting import format_quantity

from .balances import natural
from .requests import AccountKey
from .statements import Line, Statement, every_line, read_lines

PDF_LINES_MAX: Final = 2_000
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
_LATIN: Final = "Helvetica"
_TRADITIONAL: Final = "MSung-Light"
_SIMPLIFIED: Final = "STSong-Light"
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


def pdf_response(statement: Statement) -> HttpResponse:
    """The whole statement on paper; raises what :func:`pdf` raises."""
    response = HttpResponse(pdf(statement), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{file_name(statement, "pdf")}"'
    return response


def file_name(statement: Statement, ending: str) -> str:
    return f"statement-{statement.account.pk}-{statement.first_on}-{statement.last_on}.{ending}"


def pdf(statement: Statement) -> bytes:
    """Return the statement as PDF in the reader's language.

    Raises :class:`Invalid` (`statement_too_long`) beyond :data:`PDF_LINES_MAX` lines.
    """
    lines = read_lines(statement, limit=PDF_LINES_MAX + 1)
    if len(lines) > PDF_LINES_MAX:
        raise Invalid(
            _("A PDF holds at most %(most)s lines; take a shorter period, or the CSV.")
            % {"most": PDF_LINES_MAX},
            field="to",
            code="statement_too_long",
            limit=PDF_LINES_MAX,
        )
    _register_fonts()
    out = BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=15 * mm,
        rightMargin=15 * mm,
        topMargin=15 * mm,
        bottomMargin=18 * mm,
        title=_("Statement of account"),
        author=statement.account.book.name,
    )
    printed = _moment(clock.now())
    story = [*_head(statement), Spacer(1, 5 * mm), _table(statement, lines)]

    def foot(canvas: Any, _document: Any) -> None:
        canvas.setStrokeColor(colors.HexColor("#c9ced6"))
        canvas.line(15 * mm, 13 * mm, A4[0] - 15 * mm, 13 * mm)
        said = _("Printed %(moment)s") % {"moment": printed}
        canvas.setFont(_font(said), 8)
        canvas.drawString(15 * mm, 9 * mm, said)
        page = _("Page %(number)s") % {"number": canvas.getPageNumber()}
        canvas.setFont(_font(page), 8)
        canvas.drawRightString(A4[0] - 15 * mm, 9 * mm, page)

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def _register_fonts() -> None:
    traditional = UnicodeCIDFont(_TRADITIONAL)
    # The library names the encoding of simplified Chinese here, with which no reader finds a glyph.
    traditional.encodingName = "UniCNS-UCS2-H"
    pdfmetrics.registerFont(traditional)
    pdfmetrics.registerFont(UnicodeCIDFont(_SIMPLIFIED))


def _head(statement: Statement) -> list[Any]:
    account = statement.account
    known = (
        _("Known at block %(number)s") % {"number": statement.known_at}
        if statement.known_at is not None
        else _("Everything booked by now")
    )
    period = f"{_day(statement.first_on)} – {_day(statement.last_on)}"
    facts = [
        (_("Account"), AccountKey.of(account).label()),
        (_("Period"), period),
        (_("Opening balance"), f"{_figure(statement, statement.opening_atoms)} {account.asset.code}"),
        (_("Closing balance"), f"{_figure(statement, statement.closing_atoms)} {account.asset.code}"),
        (_("As known"), known),
    ]
    rows = [[_cell(str(name), colour="#5b6472"), _cell(value)] for name, value in facts]
    table = LongTable(rows, colWidths=[38 * mm, 142 * mm], hAlign="LEFT")
    table.setStyle(TableStyle([("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)]))
    return [
        _cell(account.book.name, size=9, colour="#5b6472"),
        _cell(_("Statement of account"), size=17, leading=24),
        table,
    ]


def _table(statement: Statement, lines: list[Line]) -> LongTable:
    scale = statement.account.asset.scale
    names = (_("Value date"), _("Booked"), _("Description"), _("Debit"), _("Credit"), _("Balance"))
    rows = [[_cell(str(name), is_right=n > 2) for n, name in enumerate(names)]]
    rows.append(_edge(statement, _("Opening balance"), statement.first_on, statement.opening_atoms))
    for line in lines:
        sums = ("" if s is None else format_quantity(s, scale, _language()) for s in sides(statement, line))
        words = line.kind if not line.narrative else f"{line.narrative} ({line.kind})"
        rows.append(
            [
                _cell(_day(line.place.value_on)),
                _cell(_moment(line.booked_at)),
                _cell(words),
                *[_cell(each, is_right=True) for each in sums],
                _cell(_figure(statement, line.balance_atoms), is_right=True),
            ]
        )
    rows.append(_edge(statement, _("Closing balance"), statement.last_on, statement.closing_atoms))
    table = LongTable(rows, colWidths=[w * mm for w in (22, 30, 50, 25, 25, 28)], repeatRows=1, hAlign="LEFT")
    ink = colors.HexColor("#c9ced6")
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#eef2f5")),
                ("LINEBELOW", (0, 0), (-1, -1), 1, ink),
                ("LINEABOVE", (0, -1), (-1, -1), 1, colors.HexColor("#5b6472")),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 3),
                ("RIGHTPADDING", (0, 0), (-1, -1), 3),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    return table


def _edge(statement: Statement, words: str, day: Any, atoms: int) -> list[Any]:
    """The opening or the closing line."""
    empty = _cell("")
    return [
        _cell(_day(day)),
        empty,
        _cell(words),
        empty,
        empty,
        _cell(_figure(statement, atoms), is_right=True),
    ]


def _cell(
    text: str, *, size: int = 8, leading: int = 0, colour: str = "#1d2430", is_right: bool = False
) -> Paragraph:
    style = ParagraphStyle(
        "cell",
        fontName=_font(text),
        fontSize=size,
        leading=leading or size + 3,
        textColor=colors.HexColor(colour),
        alignment=2 if is_right else 0,
        wordWrap=None if _font(text) == _LATIN else "CJK",
    )
    return Paragraph(escape(text), style)


def _font(text: str) -> str:
    """A font that has all of a text's characters: Latin, traditional Chinese, or simplified."""
    if _fits(text, "latin-1"):
        return _LATIN
    return _TRADITIONAL if _fits(text, "big5hkscs") or not _fits(text, "gb2312") else _SIMPLIFIED


def _fits(text: str, encoding: str) -> bool:
    try:
        # The dash of a period stands in every font.
        text.replace("–", "-").encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _figure(statement: Statement, atoms: int) -> str:
    return format_quantity(units(statement, atoms), statement.account.asset.scale, _language())


def _language() -> str:
    return get_language() or "en"


def _day(day: Any) -> str:
    return date_format(day, "DATE_FORMAT")


def _moment(moment: datetime) -> str:
    return date_format(localtime(moment), "SHORT_DATETIME_FORMAT")


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
