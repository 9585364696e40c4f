"""Instruments and prices: read by every firm, written by whoever may speak for the market."""

from __future__ import annotations

from typing import Any

import django_filters
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from collateral import prices
from collateral.models import Instrument, Price
from collateral.prices import PriceQuote, latest_prices
from ledger.core import clock
from ledger.core.api.views import Commanding, Detail, Listing, SharedView
from ledger.core.errors import Forbidden, Invalid, Refusal
from ledger.models import Book

from .serializers import (
    InstrumentSerializer,
    PriceResultsSerializer,
    PriceSerializer,
    QuoteSerializer,
    RecordPriceSerializer,
    RecordPricesSerializer,
)

TAGS = ["Market"]


class MarketCommand(Commanding, SharedView):
    """A command that moves what every firm's loans are valued at."""

    def locate(self) -> None:
        """Refuse a caller of one firm where there are others: its figures would value their loans too."""
        caller = self.caller
        if caller.broker is not None and Book.objects.exclude(pk=caller.book.pk).exists():
            raise Forbidden(
                _("Only the house may record prices and rates that several firms share."),
                code="shared_market_data",
            )


class InstrumentFilter(django_filters.FilterSet):
    name = django_filters.CharFilter(lookup_expr="icontains", help_text=gettext_lazy("Part of the name."))
    venue = django_filters.ChoiceFilter(choices=Instrument.Venue.choices)
    status = django_filters.ChoiceFilter(choices=Instrument.Status.choices)
    category = django_filters.CharFilter()
    isin = django_filters.CharFilter()

    class Meta:
        model = Instrument
        fields: list[str] = []


class _Instruments(SharedView):
    model = Instrument
    lookup_field = "code"


@extend_schema_view(get=extend_schema(operation_id="listInstruments", tags=TAGS))
class InstrumentListView(Listing, _Instruments):
    """What can be pledged: listed securities, Bitcoin and Ether."""

    serializer_class = InstrumentSerializer
    filterset_class = InstrumentFilter


@extend_schema_view(get=extend_schema(operation_id="getInstrument", tags=TAGS))
class InstrumentView(Detail, _Instruments):
    """One instrument, by its code."""

    serializer_class = InstrumentSerializer


@extend_schema_view(get=extend_schema(operation_id="getLatestPrice", tags=TAGS))
class LatestPriceView(Detail, _Instruments):
    """The price one instrument is valued at now, and whether it is stale."""

    serializer_class = QuoteSerializer
    staff_permissions = {"GET": "collateral.view_price"}

    def get_object(self) -> dict[str, Any]:
        instrument = super().get_object()
        return quoted(instrument, latest_prices([instrument], at=clock.now())[instrument.code])


class PricedFilter(django_filters.FilterSet):
    code = django_filters.CharFilter()
    venue = django_filters.ChoiceFilter(choices=Instrument.Venue.choices)

    class Meta:
        model = Instrument
        fields: list[str] = []


@extend_schema_view(get=extend_schema(operation_id="listLatestPrices", tags=TAGS))
class LatestPriceListView(Listing, _Instruments):
    """The price each instrument is valued at now; one without any price is shown as missing."""

    serializer_class = QuoteSerializer
    filterset_class = PricedFilter
    staff_permissions = {"GET": "collateral.view_price"}

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        quotes = latest_prices(page, at=clock.now())
        rows = [quoted(instrument, quotes[instrument.code]) for instrument in page]
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)


def quoted(instrument: Instrument, quote: PriceQuote) -> dict[str, Any]:
    """Lay a quote out for :class:`QuoteSerializer`."""
    return {
        "code": instrument.code,
        "price_id": quote.price_id,
        "price": None if quote.price_id is None else quote.price,
        "currency": quote.currency,
        "source": quote.source,
        "observed_at": quote.observed_at,
        "state": quote.state.value,
        "allows_new_credit": quote.state.allows_new_credit,
        "allows_sale": quote.state.allows_sale,
    }


class PriceFilter(django_filters.FilterSet):
    code = django_filters.CharFilter(field_name="instrument__code")
    source = django_filters.CharFilter()

    class Meta:
        model = Price
        fields: list[str] = []


@extend_schema_view(
    get=extend_schema(operation_id="listPrices", tags=TAGS),
    post=extend_schema(operation_id="recordPrice", tags=TAGS),
)
class PriceListView(Listing, MarketCommand):
    """Prices as they were observed, last recorded first."""

    model = Price
    serializer_class = PriceSerializer
    filterset_class = PriceFilter
    command_serializer_class = RecordPriceSerializer

    def get_queryset(self) -> Any:
        return super().get_queryset().select_related("instrument")

    def carry_out(self, target: None, values: dict[str, Any], *, key: str) -> Price:
        instrument = Instrument.objects.filter(code=values.pop("code")).first()
        if instrument is None:
            raise Invalid(_("There is no such instrument."), field="code", code="UNKNOWN_INSTRUMENT")
        return prices.record_price(instrument=instrument, actor=self.caller.actor, **values)


@extend_schema_view(post=extend_schema(operation_id="recordPrices", tags=TAGS))
class PriceBatchView(MarketCommand):
    """Up to a thousand prices of one source, each judged on its own."""

    model = Price
    serializer_class = PriceResultsSerializer
    command_serializer_class = RecordPricesSerializer
    pagination_class = None

    def carry_out(self, target: None, values: dict[str, Any], *, key: str) -> dict[str, Any]:
        rows = [prices.Observation(**item) for item in values["prices"]]
        done = prices.record_prices(rows, source=values["source"], actor=self.caller.actor)
        return {"results": [_result(row.code, item) for row, item in zip(rows, done, strict=True)]}


def _result(code: str, item: Price | Refusal) -> dict[str, Any]:
    if isinstance(item, Refusal):
        return {"code": code, "id": None, "refusal": item.reason, "detail": item.message}
    return {"code": code, "id": item.pk, "refusal": None, "detail": ""}
