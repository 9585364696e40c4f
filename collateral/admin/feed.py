"""How the sources of prices are doing: when each answered last, what it said, and what was refused of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from collateral.checks import MEDIAN
from collateral.feeds.configuration import configured_feeds
from collateral.feeds.polling import set_feed_paused
from collateral.models import FeedRefusal, Price, PriceFeed, SourceQuote
from ledger.core import clock
from ledger.core.admin import ReadOnlyAdmin, ReadOnlyInline, ReasonForm, carry_out, coloured, dialog
from ledger.core.charts import Chart, Series

from .show import NOTHING, figure, link

HOURS_SHOWN: Final = 24
MINUTES_OF_A_POINT: Final = 10
_COLOURS: Final = (
    "var(--color-primary-600)",
    "oklch(70.5% 0.213 47.604)",
    "oklch(60.6% 0.25 292.717)",
    "oklch(72.3% 0.219 149.579)",
    "oklch(63.7% 0.237 25.331)",
    "oklch(68.5% 0.169 237.323)",
)


class RefusalInline(ReadOnlyInline):
    model = FeedRefusal
    fields = ("received_at", "line", "text", "code", "reason")
    readonly_fields = fields
    ordering = ("-pk",)
    per_page = 20
    verbose_name_plural = _("refused prices")


@admin.register(PriceFeed)
class PriceFeedAdmin(ReadOnlyAdmin):
    list_display = (
        "code",
        "kind",
        "standing",
        "last_success_at",
        "age",
        "failures",
        "last_error",
        "taken",
        "refused",
    )
    list_filter = ("kind", "is_paused")
    ordering = ("code",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("code", "kind", "standing"),
                    ("last_success_at", "age", "next_poll_at"),
                    ("last_error_at", "last_error", "failures"),
                    ("taken", "refused", "prices"),
                )
            },
        ),
    )
    readonly_fields = ("standing", "age", "prices")
    inlines = (RefusalInline,)
    actions_detail = ("pause", "resume")
    change_form_outer_before_template = "collateral/feed_charts.html"
    nothing_yet = _(
        "Prices come in by hand, by file and over the API. To fetch them, name the sources in LOMBARD_PRICE_FEEDS: "
        "each shows here once it was asked."
    )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        feed = PriceFeed.objects.filter(pk=object_id).first() if object_id else None
        charts = charts_of(feed) if feed else ()
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), "charts": charts}
        )

    def has_pause_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return bool(request.user.has_perm("collateral.change_pricefeed"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        is_paused = PriceFeed.objects.filter(pk=object_id, is_paused=True).exists()
        buttons = super().get_actions_detail(request, object_id)
        wanted = "resume" if is_paused else "pause"
        return [button for button in buttons if button.method.original_function_name == wanted]

    @display(description=_("status"))
    def standing(self, feed: PriceFeed) -> SafeString:
        if feed.is_paused:
            return coloured(_("paused"), "warning")
        if feed.code not in _configured():
            return coloured(_("no longer configured"), "info")
        if feed.failures:
            return coloured(_("failing"), "danger")
        return (
            coloured(_("answering"), "success")
            if feed.last_success_at
            else coloured(_("not asked yet"), "info")
        )

    @display(description=_("age"))
    def age(self, feed: PriceFeed) -> str:
        """How long ago the source answered."""
        return timesince(feed.last_success_at, clock.now()) if feed.last_success_at else NOTHING

    @display(description=_("prices"))
    def prices(self, feed: PriceFeed) -> SafeString:
        address = reverse("admin:collateral_price_changelist")
        return link(f"{address}?source__exact={feed.code}", _("All prices"))

    @action(
        description=_("Pause"),
        url_path="pause",
        icon="pause_circle",
        permissions=["pause"],
        variant=ActionVariant.DANGER,
        dialog=dialog(_("Pause"), _("The source is asked no more; its last price grows old."), ReasonForm),
    )
    def pause(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._set(request, form, object_id, True, _("Paused."))

    @action(
        description=_("Resume"),
        url_path="resume",
        icon="play_circle",
        permissions=["pause"],
        variant=ActionVariant.SUCCESS,
        dialog=dialog(_("Resume"), form=ReasonForm),
    )
    def resume(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._set(request, form, object_id, False, _("The source is asked again."))

    def _set(
        self, request: HttpRequest, form: ReasonForm, object_id: str, is_paused: bool, done: Any
    ) -> HttpResponse:
        feed = get_object_or_404(PriceFeed, pk=object_id)
        return carry_out(
            request,
            lambda: set_feed_paused(
                feed=feed,
                is_paused=is_paused,
                reason=form.cleaned_data["reason"],
                actor=request.user.get_username(),
            ),
            done=done,
            then=self.change_url(object_id),
        )


@admin.register(SourceQuote)
class SourceQuoteAdmin(ReadOnlyAdmin):
    list_display = ("code", "source", "bid_shown", "ask_shown", "spread", "currency", "observed_at")
    list_filter = ("source",)
    list_select_related = ("instrument",)
    search_fields = ("=instrument__code",)
    search_help_text = _("Code of the instrument")
    ordering = ("-pk",)
    fields = (("instrument", "source"), ("bid_shown", "ask_shown", "spread"), ("observed_at", "received_at"))
    readonly_fields = ("bid_shown", "ask_shown", "spread")
    nothing_yet = _("What trading venues would pay and ask; name some in LOMBARD_PRICE_FEEDS.")

    @display(description=_("instrument"))
    def code(self, quote: SourceQuote) -> str:
        return quote.instrument.code

    @display(description=_("bid"))
    def bid_shown(self, quote: SourceQuote) -> str:
        return figure(quote.bid)

    @display(description=_("ask"))
    def ask_shown(self, quote: SourceQuote) -> str:
        return figure(quote.ask)

    @display(description=_("spread"))
    def spread(self, quote: SourceQuote) -> str:
        return f"{figure(((quote.ask - quote.bid) / quote.ask * 100).quantize(Decimal('0.001')))}%"


def charts_of(feed: PriceFeed) -> Sequence[Chart]:
    """Draw each instrument that a source quotes, its bid beside those of the other sources and their median."""
    since = clock.now() - timedelta(hours=HOURS_SHOWN)
    own = SourceQuote.objects.filter(source=feed.code, observed_at__gte=since)
    codes = own.values_list("instrument__code", "instrument_id").distinct().order_by("instrument__code")
    return [_chart(code, pk) for code, pk in codes[:2]]


def _chart(code: str, instrument_id: int) -> Chart:
    since = clock.now() - timedelta(hours=HOURS_SHOWN)
    quotes = SourceQuote.objects.filter(instrument=instrument_id, observed_at__gte=since)
    seen = [*quotes.values_list("source", "observed_at", "bid")]
    medians = Price.objects.filter(instrument=instrument_id, source=MEDIAN, observed_at__gte=since)
    seen += [(str(_("median")), at, price) for at, price in medians.values_list("observed_at", "price")]
    points: dict[str, dict[int, Decimal]] = {}
    step = MINUTES_OF_A_POINT * 60
    for source, at, bid in sorted(seen, key=lambda one: one[1]):
        points.setdefault(source, {})[int(at.timestamp()) // step] = bid
    places = sorted({place for one in points.values() for place in one})
    hours = [datetime.fromtimestamp(place * step, tz=clock.HONG_KONG) for place in places]
    return Chart(
        _("%(code)s by source") % {"code": code},
        "line",
        [f"{hour:%H:%M}" for hour in hours],
        [
            Series(source, [one.get(place) for place in places], _COLOURS[number % len(_COLOURS)])
            for number, (source, one) in enumerate(sorted(points.items()))
        ],
        unit=_("bid, last %(hours)s hours") % {"hours": HOURS_SHOWN},
        decimals=2,
        begins_at_zero=False,
    )


def _configured() -> frozenset[str]:
    try:
        return frozenset(configured_feeds())
    except ImproperlyConfigured:
        return frozenset()
