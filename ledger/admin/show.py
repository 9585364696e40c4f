"""How the books are shown: units instead of atoms, rows as links, causes as what they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from ledger.balances import natural
from ledger.core.admin import show_quantity
from ledger.models import Account, Journal

NOTHING: Final = "–"

FindCause = Callable[[str], Model | None]
_causes: dict[str, FindCause] = {}


def register_cause(kind: str, find: FindCause) -> None:
    """Tell what a journal's cause `kind:name` names, so that the journal's page leads there."""
    _causes[kind] = find


register_cause("journal", lambda name: Journal.objects.filter(pk=name).first())


def units(account: Account, atoms: int) -> str:
    """Show debit-positive atoms in units, positive on the account's normal side."""
    return show_quantity(natural(account.role, account.asset.units(atoms)), account.asset.scale)


def side(account: Account, atoms: int) -> str:
    """Show atoms in units as one column of a statement; nothing when the entry stands in the other."""
    return show_quantity(account.asset.units(atoms), account.asset.scale) if atoms > 0 else ""


def bound(account: Account, atoms: int | None) -> str:
    return NOTHING if atoms is None else units(account, atoms)


def link(row: Model | None, text: object = None) -> SafeString:
    """Show a row as a link to its page, or plainly where no page shows it."""
    if row is None:
        return format_html("{}", NOTHING)
    return link_to(row._meta.label_lower, row.pk, row if text is None else text)


def link_to(label: str, pk: object, text: object) -> SafeString:
    """Show `text` as a link to the page of a row known by its model's label and its key."""
    try:
        address = reverse(f"admin:{label.replace('.', '_')}_change", args=[pk])
    except NoReverseMatch:
        return format_html("{}", text)
    return format_html('<a href="{}" class="text-link">{}</a>', address, text)


def link_to_list(label: str, text: object, **query: str | int) -> SafeString:
    """Show `text` as a link to a list, narrowed by `query`."""
    address = reverse(f"admin:{label.replace('.', '_')}_changelist")
    return format_html('<a href="{}?{}" class="text-link">{}</a>', address, urlencode(query), text)


def cause(text: str) -> SafeString:
    """Show a journal's cause, leading to the row it names where its kind is known."""
    kind, _colon, name = text.partition(":")
    row = _causes[kind](name) if kind in _causes else None
    return link(row, text) if row else format_html("{}", text or NOTHING)
