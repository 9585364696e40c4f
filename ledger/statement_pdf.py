"""A statement on paper: what it says as cells, then the cells drawn in fonts that go along in the file."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from reportlab.lib.units import mm
from reportlab.platypus import Spacer

from ledger.core import clock
from ledger.core.errors import Invalid
from ledger.core.formatting import format_quantity

from .journal_kinds import kind_in_words
from .printing import GREY, Cell, Paper, drawn, drawn_facts, drawn_rows, printed
from .requests import AccountKey
from .statement_files import file_name, sides, units
from .statements import Line, Statement, read_lines

if TYPE_CHECKING:
    from .embedded_fonts import FontOf

PDF_LINES_MAX: Final = 2_000
WIDTHS: Final = (22, 30, 50, 25, 25, 28)


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
    title, facts, rows = _title(statement), _facts(statement), _rows(statement, lines)

    def story(font_of: FontOf) -> list[Any]:
        heading = [drawn(cell, font_of) for cell in title]
        return [*heading, drawn_facts(facts, font_of), Spacer(1, 5 * mm), drawn_rows(rows, WIDTHS, font_of)]

    paper = Paper(
        title=_("Statement of account"),
        author=statement.account.book.name,
        foot=_("Printed %(moment)s") % {"moment": _moment(clock.now())},
        page=_("Page %(number)s"),
    )
    return printed(paper, [cell for row in [title, *facts, *rows] for cell in row], story)


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


def _figure(statement: Statement, atoms: int) -> str:
    return format_quantity(units(statement, atoms), statement.account.asset.scale, _language())


def _language() -> str:
    return get_language() or "en"


def _day(day: Any) -> str:
    return date_format(day, "DATE_FORMAT")


def _moment(moment: datetime) -> str:
    return date_format(localtime(moment), "SHORT_DATETIME_FORMAT")
