"""What kinds of journals are called by people. The rooms above tell theirs; a kind without words is shown as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

_words: dict[str, Any] = {
    "hold_posting": _("Hold posted"),
    "split": _("Split or consolidation"),
    "split_payment": _("Cash in lieu of fractions"),
    "bonus": _("Bonus issue"),
    "bonus_payment": _("Bonus shares received"),
    "cash_dividend": _("Cash dividend"),
    "cash_dividend_payment": _("Cash dividend received"),
    "reversal": _("Reversal"),
    "manual": _("Booked by hand"),
    "transfer": _("Transfer"),
    "capital": _("Capital"),
}


def register_kinds(words: Mapping[str, Any]) -> None:
    """Tell what kinds of journals are called, by kind."""
    _words.update(words)


def kind_in_words(kind: str) -> str:
    """Return what a kind is called in the reader's language."""
    return str(_words.get(kind, kind))
