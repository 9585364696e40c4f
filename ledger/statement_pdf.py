"""A statement on paper: what it says as cells, then the cells drawn in fonts that go along in the file."""

from __future__ import annotations

from datetime import datetime
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.http import HttpResponse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from ledger.core import clock
from ledger.core.errors import Invalid
from ledger.core.formatting import format_quantity

from .journal_kinds import kind_in_words
from .requests import AccountKey
from .statement_files import file_name, sides, units
from .statements import Line, Statement, read_lines

if TYPE_CHECKING:
    from .embedded_fonts import FontOf

PDF_LINES_MAX: Final = 2_000
FOOT_SIZE: Final = 8
# What reportlab leaves within the margins, in points.
FRAME_PADDING: Final = 6
INK, GREY = "#1d2430", "#5b6472"
_DIGITS: Final = "0123456789"


class Cell(NamedTuple):
    """Text of one style; sizes in points."""

    text: str
    size: int = 8
    leading: int = 11
    colour: str = INK
    is_right: bool = False


def pdf_response(statement: Statement) -> HttpResponse:
    """The whole statement on paper; raises what :func:`pdf` raises."""
    response = HttpResponse(pdf(statement), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{file_name(statement, "pdf")}"'
    return response


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
    # What makes fonts takes half a second to load, which no process waits for that prints nothing.
    from .embedded_fonts import fonts_for

    title, facts, rows = _title(statement), _facts(statement), _rows(statement, lines)
    printed = _("Printed %(moment)s") % {"moment": _moment(clock.now())}
    page = _("Page %(number)s")
    told = [cell.text for row in [title, *facts, *rows] for cell in row]
    with fonts_for(set("".join([*told, printed, page, _DIGITS]))) as font_of:
        story = [*(_drawn(cell, font_of) for cell in title), _drawn_facts(facts, font_of)]
        story += [Spacer(1, 5 * mm), _drawn_rows(rows, font_of)]
        return _built(statement, story, printed, page, font_of)


def _built(statement: Statement, story: list[Any], printed: str, page: str, font_of: FontOf) -> bytes:
    out = BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=15 * mm - FRAME_PADDING,
        rightMargin=15 * mm - FRAME_PADDING,
        topMargin=15 * mm,
        bottomMargin=18 * mm,
        title=_("Statement of account"),
        author=statement.account.book.name,
        # Page and tables begin with a font although nothing is written in it: one that goes along.
        initialFontName=font_of(""),
    )

    def foot(canvas: Any, _document: Any) -> None:
        canvas.setStrokeColor(colors.HexColor("#c9ced6"))
        canvas.line(15 * mm, 13 * mm, A4[0] - 15 * mm, 13 * mm)
        canvas.setFont(font_of(printed), FOOT_SIZE)
        canvas.drawString(15 * mm, 9 * mm, printed)
        number = page % {"number": canvas.getPageNumber()}
        canvas.setFont(font_of(number), FOOT_SIZE)
        canvas.drawRightString(A4[0] - 15 * mm, 9 * mm, number)

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def _title(statement: Statement) -> list[Cell]:
    return [
        Cell(statement.account.book.name, size=9, leading=12, colour=GREY),
        Cell(_("Statement of account"), size=17, leading=24),
    ]


def _facts(statement: Statement) -> list[list[Cell]]:
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
    return [[Cell(name, colour=GREY), Cell(value)] for name, value in facts]


def _rows(statement: Statement, lines: list[Line]) -> list[list[Cell]]:
    names = (_("Value date"), _("Booked"), _("Description"), _("Debit"), _("Credit"), _("Balance"))
    head = [Cell(name, is_right=n > 2) for n, name in enumerate(names)]
    opening = _edge(statement, _("Opening balance"), statement.first_on, statement.opening_atoms)
    closing = _edge(statement, _("Closing balance"), statement.last_on, statement.closing_atoms)
    return [head, opening, *(_row(statement, line) for line in lines), closing]


def _row(statement: Statement, line: Line) -> list[Cell]:
    scale = statement.account.asset.scale
    sums = ("" if s is None else format_quantity(s, scale, _language()) for s in sides(statement, line))
    kind = kind_in_words(line.kind)
    words = f"{line.narrative} ({kind})" if line.narrative else kind
    return [
        Cell(_day(line.place.value_on)),
        Cell(_moment(line.booked_at)),
        Cell(words),
        *(Cell(each, is_right=True) for each in sums),
        Cell(_figure(statement, line.balance_atoms), is_right=True),
    ]


def _edge(statement: Statement, words: str, day: Any, atoms: int) -> list[Cell]:
    """The opening or the closing line."""
    empty = Cell("")
    balance = Cell(_figure(statement, atoms), is_right=True)
    return [Cell(_day(day)), empty, Cell(words), empty, empty, balance]


def _drawn_facts(facts: list[list[Cell]], font_of: FontOf) -> LongTable:
    table = LongTable(_paragraphs(facts, font_of), colWidths=[38 * mm, 142 * mm], hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("FONTNAME", (0, 0), (-1, -1), font_of("")),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
            ]
        )
    )
    return table


def _drawn_rows(rows: list[list[Cell]], font_of: FontOf) -> LongTable:
    widths = [width * mm for width in (22, 30, 50, 25, 25, 28)]
    table = LongTable(_paragraphs(rows, font_of), colWidths=widths, repeatRows=1, hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("FONTNAME", (0, 0), (-1, -1), font_of("")),
                ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#eef2f5")),
                ("LINEBELOW", (0, 0), (-1, -1), 1, colors.HexColor("#c9ced6")),
                ("LINEABOVE", (0, -1), (-1, -1), 1, colors.HexColor(GREY)),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 3),
                ("RIGHTPADDING", (0, 0), (-1, -1), 3),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    return table


def _paragraphs(rows: list[list[Cell]], font_of: FontOf) -> list[list[Paragraph]]:
    return [[_drawn(cell, font_of) for cell in row] for row in rows]


def _drawn(cell: Cell, font_of: FontOf) -> Paragraph:
    style = ParagraphStyle(
        "cell",
        fontName=font_of(cell.text),
        fontSize=cell.size,
        leading=cell.leading,
        textColor=colors.HexColor(cell.colour),
        alignment=2 if cell.is_right else 0,
        # Chinese has no spaces at which to break a line.
        wordWrap=None if cell.text.isascii() else "CJK",
    )
    return Paragraph(escape(cell.text), style)


def _figure(statement: Statement, atoms: int) -> str:
    return format_quantity(units(statement, atoms), statement.account.asset.scale, _language())


def _language() -> str:
    return get_language() or "en"


def _day(day: Any) -> str:
    return date_format(day, "DATE_FORMAT")


def _moment(moment: datetime) -> str:
    return date_format(localtime(moment), "SHORT_DATETIME_FORMAT")
