"""How the room's pages show a figure, and where a row's relatives are listed."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from collateral.staleness import PriceState
from ledger.core.admin import show_quantity
from ledger.core.decimals import decimal_places

NOTHING: Final = "–"

STATE_COLOURS: Final = {
    PriceState.FRESH: "success",
    PriceState.SOFT: "warning",
    PriceState.HARD: "danger",
    PriceState.MISSING: "danger",
}
STATE_WORDS: Final = {
    PriceState.FRESH: _("fresh"),
    PriceState.SOFT: _("soft-stale"),
    PriceState.HARD: _("hard-stale"),
    PriceState.MISSING: _("missing"),
}


def figure(number: Decimal, *, places_min: int = 2) -> str:
    """Render a price or rate in full, with at least `places_min` decimals."""
    return show_quantity(number, max(decimal_places(number), places_min))


def link(address: str, words: object) -> SafeString:
    return format_html('<a class="text-link" href="{}">{}</a>', address, words)
