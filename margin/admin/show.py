"""How the room's pages show things: a figure in full, a row as a link, a state as a coloured word."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ledger.core.admin import show_quantity
from ledger.core.decimals import decimal_places, plain, round_half_up
from margin.models import ForcedSale, MarginCall, SaleOrder
from margin.models.valuation import Level

NOTHING: Final = "–"
INFINITE: Final = "∞"

LEVEL_COLOURS: Final = {
    Level.NORMAL.value: "success",
    Level.WARNING.value: "warning",
    Level.CALL.value: "danger",
    Level.IMMEDIATE.value: "danger",
}
CALL_COLOURS: Final = {
    MarginCall.Status.EXPECTED.value: "info",
    MarginCall.Status.ISSUED.value: "warning",
    MarginCall.Status.ACKNOWLEDGED.value: "warning",
    MarginCall.Status.PART_MET.value: "warning",
    MarginCall.Status.DISPUTED.value: "warning",
    MarginCall.Status.OVERDUE.value: "danger",
    MarginCall.Status.SALE_PENDING.value: "danger",
    MarginCall.Status.MET.value: "success",
    MarginCall.Status.WAIVED.value: "primary",
    MarginCall.Status.CANCELLED.value: "primary",
    MarginCall.Status.SETTLED.value: "success",
    MarginCall.Status.SHORTFALL.value: "danger",
}
SALE_COLOURS: Final = {
    ForcedSale.Status.PLANNED.value: "warning",
    ForcedSale.Status.SUBMITTED.value: "warning",
    ForcedSale.Status.APPROVED.value: "info",
    ForcedSale.Status.EXECUTING.value: "info",
    ForcedSale.Status.FILLED.value: "primary",
    ForcedSale.Status.CLOSED.value: "success",
    ForcedSale.Status.REJECTED.value: "danger",
}
ORDER_COLOURS: Final = {
    SaleOrder.Status.FILLED.value: "success",
    SaleOrder.Status.REJECTED.value: "danger",
    SaleOrder.Status.UNKNOWN.value: "danger",
    SaleOrder.Status.CANCELLED.value: "warning",
}


def page_of(row: Model) -> str:
    """The address of a row's page; empty where its room shows none."""
    meta = row._meta
    try:
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


def list_of(model: type[Model], **query: str | int) -> str:
    """The address of a list, narrowed by `query`; empty where its room shows none."""
    meta = model._meta
    try:
        address = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    except NoReverseMatch:
        return ""
    return f"{address}?{urlencode(query)}" if query else address


def anchor(address: str, text: object) -> SafeString:
    """Show `text` as a link, or plainly where the address is empty."""
    if not address:
        return format_html("{}", text)
    return format_html('<a href="{}" class="text-link">{}</a>', address, text)


def link(row: Model | None, text: object = None) -> SafeString:
    """Show a row as a link to its page."""
    if row is None:
        return format_html("{}", NOTHING)
    return anchor(page_of(row), row if text is None else text)


def money(amount: Any, currency: str = "") -> str:
    """Show an amount to the cent, with its currency."""
    if amount is None:
        return NOTHING
    if hasattr(amount, "currency"):
        amount, currency = amount.amount, str(amount.currency)
    return f"{currency} {show_quantity(amount, 2)}".strip()


def quantity(amount: Decimal | None) -> str:
    """Show a quantity, price or rate with all its digits and no trailing zeros."""
    return NOTHING if amount is None else show_quantity(amount, decimal_places(amount))


def percent(ratio: Decimal | None, places: int = 2) -> str:
    """Show a ratio as a percentage, half up; a ratio without an end as such."""
    return INFINITE if ratio is None else f"{plain(round_half_up(ratio * 100, places))}%"


def moment(at: datetime | None) -> str:
    """Show a time of day in Hong Kong."""
    return NOTHING if at is None else date_format(timezone.localtime(at), "Y-m-d H:i")


def badge(text: object, colour: str | None = None) -> SafeString:
    """Show a state as a coloured word."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": colour})


def level_badge(level: str) -> SafeString:
    return badge(Level(level).label, LEVEL_COLOURS.get(level))


def call_badge(call: MarginCall) -> SafeString:
    return badge(call.get_status_display(), CALL_COLOURS.get(call.status))


def sale_badge(sale: ForcedSale) -> SafeString:
    return badge(sale.get_status_display(), SALE_COLOURS.get(sale.status))


def time_left(due_at: datetime, now: datetime) -> str:
    """Say how long remains until a deadline, or how long ago it passed.

    >>> from datetime import UTC, timedelta
    >>> noon = datetime(2026, 4, 8, 12, tzinfo=UTC)
    >>> str(time_left(noon + timedelta(hours=5, minutes=30), noon))
    '5 h 30 min left'
    """
    minutes = int((due_at - now).total_seconds() // 60)
    is_past, minutes = minutes < 0, abs(minutes)
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days:
        span = _("%(days)s d %(hours)s h") % {"days": days, "hours": hours}
    else:
        span = _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    return (_("%(span)s overdue") if is_past else _("%(span)s left")) % {"span": span}
