"""What can be pledged, with the price it is valued at now."""

from __future__ import annotations

import io
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.views import ChangeList

from collateral.instruments import import_securities_file, resume, suspend
from collateral.models import Instrument
from collateral.prices import PriceQuote, latest_prices
from ledger.core import clock
from ledger.core.admin import ReadOnlyAdmin, ReasonForm, carry_out, coloured, dialog
from ledger.core.errors import Refusal

from .show import NOTHING, STATE_COLOURS, STATE_WORDS, figure, link
from .upload import Outcome, UploadAdmin, UploadForm

_STATUS_COLOURS = {"listed": "success", "suspended": "warning", "delisted": "danger"}


def quotes_of(instruments: list[Instrument]) -> dict[str, PriceQuote]:
    """Read the prices of a page; none where a calendar is missing to judge them by."""
    try:
        return latest_prices(instruments, at=clock.now())
    except Refusal:
        return {}


class _QuotedList(ChangeList):
    """Reads the prices of the rows on the page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)  # type: ignore[has-type]
        quotes = quotes_of(rows)
        for row in rows:
            row.quote = quotes.get(row.code)
        self.result_list = rows


@admin.register(Instrument)
class InstrumentAdmin(UploadAdmin, ReadOnlyAdmin):
    list_display = ("code", "name", "venue", "category", "board_lot", "last_price", "price_state", "standing")
    list_filter = ("status", "venue", "category", "trading_currency")
    search_fields = ("code", "name", "isin")
    ordering = ("code",)
    fieldsets = (
        (None, {"fields": (("code", "name", "standing"), ("last_price", "price_state", "price_list"))}),
        (
            _("Terms"),
            {
                "fields": (
                    ("venue", "category", "sub_category"),
                    ("trading_currency", "board_lot", "spread_table"),
                    ("isin", "rmb_counter"),
                    ("is_stamp_dutiable", "is_cas_eligible", "is_vcm_eligible"),
                )
            },
        ),
    )
    readonly_fields = ("last_price", "price_state", "price_list", "standing")
    actions_detail = ("suspend", "resume")
    upload_title = _("Upload the exchange's list of securities")
    upload_help = _("The list as the exchange publishes it; what it does not name is left as it is.")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _QuotedList

    def has_suspend_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return bool(request.user.has_perm("collateral.change_instrument"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        status = Instrument.objects.filter(pk=object_id).values_list("status", flat=True).first()
        offered = {"listed": "suspend", "suspended": "resume"}.get(status or "")
        buttons = super().get_actions_detail(request, object_id)
        return [button for button in buttons if button.method.original_function_name == offered]

    def take_in(self, request: HttpRequest, text: io.TextIOWrapper, form: UploadForm) -> Outcome:
        done = import_securities_file(text, actor=request.user.get_username())
        counts = (
            (_("Created"), done.created),
            (_("Changed"), done.changed),
            (_("Unchanged"), done.unchanged),
            (_("Refused"), len(done.errors)),
        )
        return Outcome(counts, done.errors)

    @display(description=_("last price"))
    def last_price(self, instrument: Instrument) -> str:
        quote = _quote(instrument)
        return f"{figure(quote.price)} {quote.currency}" if quote and quote.price_id else NOTHING

    @display(description=_("price is"))
    def price_state(self, instrument: Instrument) -> str:
        quote = _quote(instrument)
        return coloured(STATE_WORDS[quote.state], STATE_COLOURS[quote.state]) if quote else NOTHING

    @display(description=_("status"), ordering="status")
    def standing(self, instrument: Instrument) -> str:
        return coloured(instrument.get_status_display(), _STATUS_COLOURS[instrument.status])

    @display(description=_("prices"))
    def price_list(self, instrument: Instrument) -> SafeString:
        address = reverse("admin:collateral_price_changelist")
        return link(f"{address}?instrument__exact={instrument.pk}", _("All prices"))

    @action(
        description=_("Suspend"),
        url_path="suspend",
        icon="pause_circle",
        permissions=["suspend"],
        variant=ActionVariant.DANGER,
        dialog=dialog(
            _("Suspend"), _("No new credit and no forced sale rests on it from now on."), ReasonForm
        ),
    )
    def suspend(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._move(request, form, object_id, suspend, _("Suspended."))

    @action(
        description=_("Resume"),
        url_path="resume",
        icon="play_circle",
        permissions=["suspend"],
        variant=ActionVariant.SUCCESS,
        dialog=dialog(_("Resume"), form=ReasonForm),
    )
    def resume(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._move(request, form, object_id, resume, _("Listed again."))

    def _move(
        self, request: HttpRequest, form: ReasonForm, object_id: str, service: Any, done: Any
    ) -> HttpResponse:
        instrument = get_object_or_404(Instrument, pk=object_id)
        return carry_out(
            request,
            lambda: service(
                instrument=instrument,
                reason=form.cleaned_data["reason"],
                actor=request.user.get_username(),
            ),
            done=done,
            then=self.change_url(object_id),
        )


def _quote(instrument: Instrument) -> PriceQuote | None:
    if not hasattr(instrument, "quote"):
        instrument.quote = quotes_of([instrument]).get(instrument.code)  # type: ignore[attr-defined]
    quote: PriceQuote | None = instrument.quote  # type: ignore[attr-defined]
    return quote
