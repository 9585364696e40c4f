"""The statement page of an account: a period, its lines, and the files to take away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from ledger.core import clock
from ledger.core.admin import show_quantity
from ledger.core.errors import Refusal
from ledger.models import Account
from ledger.requests import AccountKey
from ledger.statement_cursors import read_cursor, write_cursor
from ledger.statement_files import csv_response, pdf_response, sides
from ledger.statements import Line, Statement, open_statement, read_lines

from . import show

LINES_PER_PAGE = 100
DAYS_SHOWN_FIRST = 30


class PeriodForm(forms.Form):
    """Value dates, both included; without any, the last thirty days."""

    first = forms.DateField(label=_("From"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))
    last = forms.DateField(label=_("To"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))


def statement_page(
    request: HttpRequest, account: Account, context: dict[str, Any], page: str
) -> HttpResponseBase:
    """Answer with the page, or with the file that `as` names; `context` is what every page of the site has."""
    today = clock.today()
    usual = {"first": (today - timedelta(days=DAYS_SHOWN_FIRST)).isoformat(), "last": today.isoformat()}
    form = PeriodForm(request.GET if "first" in request.GET else usual)
    said = context | {
        "title": _("Statement"),
        "form": form,
        "page": page,
        "name": AccountKey.of(account).label(),
    }
    if not form.is_valid():
        return TemplateResponse(request, "ledger/statement.html", said)
    try:
        statement = open_statement(
            account, first_on=form.cleaned_data["first"], last_on=form.cleaned_data["last"]
        )
        match request.GET.get("as"):
            case "csv":
                return csv_response(statement)
            case "pdf":
                return pdf_response(statement)
        said |= _shown(request, statement)
    except Refusal as refusal:
        form.add_error("last", refusal.message)
    return TemplateResponse(request, "ledger/statement.html", said)


def _shown(request: HttpRequest, opened: Statement) -> dict[str, Any]:
    """One page of the statement that was opened, or of the one that a cursor goes on with."""
    statement, after = opened, None
    if cursor := request.GET.get("cursor"):
        statement, after = read_cursor(opened.account, cursor)
    lines = read_lines(statement, after=after, limit=LINES_PER_PAGE + 1)
    period = {"first": statement.first_on.isoformat(), "last": statement.last_on.isoformat()}
    has_more = len(lines) > LINES_PER_PAGE
    place = lines[LINES_PER_PAGE - 1].place if has_more else None
    start = after.balance_atoms if after else statement.opening_atoms
    return {
        "statement": statement,
        "lines": [_row(statement, line) for line in lines[:LINES_PER_PAGE]],
        "is_first": after is None,
        "opening": show.units(statement.account, start),
        "closing": show.units(statement.account, statement.closing_atoms),
        "query": urlencode(period),
        "next": urlencode(period | {"cursor": write_cursor(statement, place)}) if place else "",
    }


def _row(statement: Statement, line: Line) -> dict[str, Any]:
    scale = statement.account.asset.scale
    debit, credit = ("" if s is None else show_quantity(s, scale) for s in sides(statement, line))
    return {
        "value_on": line.place.value_on,
        "booked_at": line.booked_at,
        "journal": show.link_to("ledger.journal", line.journal_id, line.kind),
        "narrative": line.narrative,
        "debit": debit,
        "credit": credit,
        "balance": show.units(statement.account, line.balance_atoms),
    }
