"""The statement page of an account: a period as known at a block, how the balance went, its lines, and the files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from ledger.as_of import newest_block
from ledger.core import clock
from ledger.core.admin import show_quantity
from ledger.core.charts import Chart, Series
from ledger.core.decimals import plain
from ledger.core.errors import Refusal
from ledger.journal_kinds import kind_in_words
from ledger.models import Account
from ledger.requests import AccountKey
from ledger.statement_cursors import read_cursor, write_cursor
from ledger.statement_files import csv_response, sides, units
from ledger.statement_pdf import pdf_response
from ledger.statements import (
    Line,
    Statement,
    balances_by_day,
    newest_value_date,
    open_statement,
    read_lines,
)

from . import show

LINES_PER_PAGE: Final = 100
DAYS_SHOWN_FIRST: Final = 30
POINTS_MAX: Final = 370
# What a refusal calls a field, and what the form does.
_FIELDS: Final = {"to": "last", "block": "block"}


class PeriodForm(forms.Form):
    """Value dates, both included, and the block at which they are known."""

    first = forms.DateField(label=_("From"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))
    last = forms.DateField(label=_("To"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))
    block = forms.IntegerField(
        label=_("Known at block"),
        required=False,
        min_value=0,
        max_value=2**63 - 1,
        widget=UnfoldAdminIntegerFieldWidget,
    )


def statement_page(
    request: HttpRequest, account: Account, context: dict[str, Any], page: str
) -> HttpResponseBase:
    """Answer with the page, or with the file that `as` names; `context` is what every page of the site has.

    Without a period it is that of the last thirty days.
    """
    today = clock.today()
    usual = _period(today - timedelta(days=DAYS_SHOWN_FIRST), today)
    form = PeriodForm(usual | request.GET.dict())
    newest = newest_block(account.book)
    form.fields["block"].help_text = _(
        "Empty for everything booked by now; the newest block is %(number)s."
    ) % {"number": newest}
    said = context | {
        "title": _("Statement"),
        "form": form,
        "page": page,
        "name": AccountKey.of(account).label(),
        "periods": [(words, urlencode(_period(*days))) for words, days in _usual_periods(today)],
    }
    if not form.is_valid():
        return TemplateResponse(request, "ledger/statement.html", said)
    asked = form.cleaned_data
    try:
        statement = open_statement(
            account, first_on=asked["first"], last_on=asked["last"], known_at=asked["block"]
        )
        match request.GET.get("as"):
            case "csv":
                return csv_response(statement)
            case "pdf":
                return pdf_response(statement)
        said |= _shown(request, statement)
    except Refusal as refusal:
        form.add_error(_FIELDS.get(refusal.field or ""), refusal.message)
    return TemplateResponse(request, "ledger/statement.html", said)


def _period(first: date, last: date, known_at: int | None = None) -> dict[str, str]:
    period = {"first": first.isoformat(), "last": last.isoformat()}
    return period if known_at is None else period | {"block": str(known_at)}


def _usual_periods(today: date) -> Iterator[tuple[Any, tuple[date, date]]]:
    this_month = today.replace(day=1)
    month_before = this_month - timedelta(days=1)
    yield _("This month"), (this_month, today)
    yield _("Last month"), (month_before.replace(day=1), month_before)
    yield _("This year"), (today.replace(month=1, day=1), today)


def _shown(request: HttpRequest, opened: Statement) -> dict[str, Any]:
    """One page of the statement that was opened, or of the one that a cursor goes on with."""
    statement, after = opened, None
    if cursor := request.GET.get("cursor"):
        statement, after = read_cursor(opened.account, cursor)
    lines = read_lines(statement, after=after, limit=LINES_PER_PAGE + 1)
    period = _period(statement.first_on, statement.last_on, statement.known_at)
    has_more = len(lines) > LINES_PER_PAGE
    place = lines[LINES_PER_PAGE - 1].place if has_more else None
    start = after.balance_atoms if after else statement.opening_atoms
    moved = statement.closing_atoms - statement.opening_atoms
    return {
        "statement": statement,
        "asset": statement.account.asset.code,
        "lines": [_row(statement, line) for line in lines[:LINES_PER_PAGE]],
        "is_first": after is None,
        "chart": _chart(statement) if lines and after is None else None,
        "start": show.units(statement.account, start),
        "opening": show.units(statement.account, statement.opening_atoms),
        "moved": show.units(statement.account, moved),
        "closing": show.units(statement.account, statement.closing_atoms),
        "query": urlencode(period),
        "next": urlencode(period | {"cursor": write_cursor(statement, place)}) if place else "",
        "elsewhere": None if lines or after else _elsewhere(statement),
    }


def _row(statement: Statement, line: Line) -> dict[str, Any]:
    scale = statement.account.asset.scale
    debit, credit = ("" if s is None else show_quantity(s, scale) for s in sides(statement, line))
    return {
        "value_on": line.place.value_on,
        "booked_at": line.booked_at,
        "journal": show.link_to("ledger.journal", line.journal_id, kind_in_words(line.kind)),
        "narrative": line.narrative,
        "debit": debit,
        "credit": credit,
        "balance": show.units(statement.account, line.balance_atoms),
    }


def _chart(statement: Statement) -> Chart:
    """What stood at the end of each day of the period; of a long period at the end of every so many."""
    asset = statement.account.asset
    moved = balances_by_day(statement)
    length = (statement.last_on - statement.first_on).days
    step = length // POINTS_MAX + 1
    days = [statement.first_on + timedelta(days=n) for n in range(length % step, length + 1, step)]
    balances = [statement.opening_atoms, *(balance for _day, balance in moved)]
    stood = [balances[bisect_right(moved, day, key=lambda one: one[0])] for day in days]
    return Chart(
        _("Balance at the end of each day") if step == 1 else _("Balance over the period"),
        "line",
        [day.isoformat() for day in days],
        [
            Series(
                _("balance"), [plain(units(statement, atoms)) for atoms in stood], "var(--color-primary-600)"
            )
        ],
        unit=asset.code,
        decimals=asset.scale,
        is_stepped=True,
    )


def _elsewhere(statement: Statement) -> dict[str, Any]:
    """Where there is something to see when nothing moved in the period: words and a query, or nothing at all."""
    newest = newest_value_date(statement)
    if newest is None:
        return {}
    if statement.known_at is not None:
        now = _("Show what is known of this period now")
        return {"words": now, "query": urlencode(_period(statement.first_on, statement.last_on))}
    words = _("Show the days up to %(day)s, the value date of what was booked last") % {
        "day": date_format(newest, "DATE_FORMAT")
    }
    return {"words": words, "query": urlencode(_period(newest - timedelta(days=DAYS_SHOWN_FIRST), newest))}
