"""Stored valuations, why they came out as they did, and proof that they still do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.core.api.filters import IdFilter
from ledger.core.api.views import Detail, Listing
from margin import explain
from margin.models import Broker, Valuation
from margin.models.valuation import Level

from .valuation_serializers import (
    ExplanationSerializer,
    ReplaySerializer,
    ValuationDetailSerializer,
    ValuationSerializer,
)
from .views import BrokerView, owned

TAGS = ["Valuations"]


class ValuationFilter(django_filters.FilterSet):
    client = django_filters.CharFilter(field_name="facility__client__number")
    facility = IdFilter(field_name="facility_id")
    level = django_filters.ChoiceFilter(choices=Level.choices)
    latest = django_filters.BooleanFilter(
        method="newest_only", help_text=_("Only the newest valuation of each facility.")
    )

    class Meta:
        model = Valuation
        fields: list[str] = []

    def newest_only(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        if not value:
            return queryset
        newer = Valuation.objects.filter(facility=OuterRef("facility"), valued_at__gt=OuterRef("valued_at"))
        return queryset.filter(~Exists(newer))


class _Valuations(BrokerView):
    model = Valuation
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[Valuation]:
        valuations = Valuation.objects.select_related("facility__client", "policy")
        return owned(valuations, broker, "facility__client__broker")


@extend_schema_view(get=extend_schema(operation_id="listValuations", tags=TAGS))
class ValuationListView(Listing, _Valuations):
    """Valuations, newest first."""

    serializer_class = ValuationSerializer
    filterset_class = ValuationFilter


@extend_schema_view(get=extend_schema(operation_id="getValuation", tags=TAGS))
class ValuationView(Detail, _Valuations):
    """One valuation with the value of each asset and the rows it was valued by."""

    serializer_class = ValuationDetailSerializer

    def for_broker(self, broker: Broker | None) -> QuerySet[Valuation]:
        return super().for_broker(broker).prefetch_related("lines__asset")


class Reading(Detail):
    """`GET` what a function makes of one row."""

    read: Callable[[Any], dict[str, Any]]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(type(self).read(self.get_object()))


@extend_schema_view(get=extend_schema(operation_id="explainValuation", tags=TAGS))
class ValuationExplainView(Reading, _Valuations):
    """Each price, rate, haircut and rounding that made the valuation."""

    serializer_class = ExplanationSerializer
    read = staticmethod(explain.explain)


@extend_schema_view(get=extend_schema(operation_id="replayValuation", tags=TAGS))
class ValuationReplayView(Reading, _Valuations):
    """The valuation computed again from the rows it names; they never change, so neither do the cents."""

    serializer_class = ReplaySerializer
    read = staticmethod(explain.replay)
