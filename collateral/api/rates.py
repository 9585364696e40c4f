"""Exchange rates: read by every firm, written by whoever may speak for the market."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_view

from collateral import fx
from collateral.models import FxRate
from ledger.core import clock
from ledger.core.api.views import Detail, Listing, SharedView

from .serializers import FxQuoteSerializer, FxRateSerializer, RecordRateSerializer
from .views import TAGS, MarketCommand


class FxRateFilter(django_filters.FilterSet):
    base = django_filters.CharFilter()
    quote = django_filters.CharFilter()
    source = django_filters.CharFilter()

    class Meta:
        model = FxRate
        fields: list[str] = []


@extend_schema_view(
    get=extend_schema(operation_id="listFxRates", tags=TAGS),
    post=extend_schema(operation_id="recordFxRate", tags=TAGS),
)
class FxRateListView(Listing, MarketCommand):
    """Exchange rates as they were observed, last recorded first."""

    model = FxRate
    serializer_class = FxRateSerializer
    filterset_class = FxRateFilter
    command_serializer_class = RecordRateSerializer

    def carry_out(self, target: None, values: dict[str, Any], *, key: str) -> FxRate:
        return fx.record_rate(actor=self.caller.actor, **values)


@extend_schema_view(get=extend_schema(operation_id="getLatestFxRate", tags=TAGS))
class LatestFxRateView(Detail, SharedView):
    """The rate in force now between two currencies."""

    model = FxRate
    serializer_class = FxQuoteSerializer

    def get_object(self) -> fx.FxQuote:
        return fx.latest_rate(self.kwargs["base"], self.kwargs["quote"], at=clock.now())
