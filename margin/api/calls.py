"""Margin calls and what made them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request

from ledger.core.api.fields import StrictDateField, money_field, quantity_field
from ledger.core.api.requests import refuse_parameter
from ledger.core.api.views import Detail, Listing
from ledger.core.clock import HONG_KONG
from margin.cures import cures
from margin.explain import explain
from margin.models import Broker, MarginCall
from margin.register import csv_response

from .valuation_serializers import ExplanationSerializer
from .valuations import Reading
from .views import BrokerView, owned

TAGS = ["Margin calls"]


class MarginCallSerializer(serializers.ModelSerializer[MarginCall]):
    reference = serializers.CharField()
    client = serializers.CharField(source="facility.client.number")
    amount = money_field(help_text=_("What has to be brought in."))
    currency = serializers.CharField(source="amount_currency")
    is_open = serializers.BooleanField()

    class Meta:
        model = MarginCall
        fields = [
            "id",
            "reference",
            "client",
            "facility",
            "status",
            "is_open",
            "version",
            "amount",
            "currency",
            "is_immediate",
            "issued_at",
            "due_at",
            "acknowledged_at",
            "acknowledged_by",
            "acknowledged_channel",
            "overdue_at",
            "closed_at",
            "valuation",
            "closing_valuation",
        ]


class CallExplanationSerializer(ExplanationSerializer):
    """Each price, rate, haircut and rounding that made a margin call."""

    call = MarginCallSerializer()


class CureByAssetSerializer(serializers.Serializer[Any]):
    """Either deposit, or sale, of this asset alone meets the call; null where it cannot."""

    asset = serializers.CharField()
    deposit_market_value = money_field(allow_null=True)
    deposit_quantity = quantity_field(allow_null=True, help_text=_("In whole board lots or steps."))
    sale_market_value = money_field(allow_null=True, help_text=_("Before costs."))
    sale_quantity = quantity_field(allow_null=True, help_text=_("Null when too little is held."))


class CuresSerializer(serializers.Serializer[Any]):
    """The three ways to meet a call at the prices of now: pay, deposit, or sell."""

    at = serializers.DateTimeField()
    currency = serializers.CharField()
    cash = money_field(help_text=_("What is still missing."))
    assets = CureByAssetSerializer(many=True)


class MarginCallFilter(django_filters.FilterSet):
    client = django_filters.CharFilter(field_name="facility__client__number")
    status = django_filters.ChoiceFilter(choices=MarginCall.Status.choices)
    is_open = django_filters.BooleanFilter(method="open_only", help_text=_("Calls that still run, or not."))
    due_before = django_filters.IsoDateTimeFilter(field_name="due_at", lookup_expr="lt")

    class Meta:
        model = MarginCall
        fields: list[str] = []

    def open_only(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        running = {"status__in": MarginCall.OPEN}
        return queryset.filter(**running) if value else queryset.exclude(**running)


class _Calls(BrokerView):
    model = MarginCall
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[MarginCall]:
        calls = MarginCall.objects.select_related("facility__client", "valuation__policy")
        return owned(calls, broker, "facility__client__broker")


@extend_schema_view(get=extend_schema(operation_id="listMarginCalls", tags=TAGS))
class MarginCallListView(Listing, _Calls):
    """Margin calls, newest first."""

    serializer_class = MarginCallSerializer
    filterset_class = MarginCallFilter


@extend_schema_view(get=extend_schema(operation_id="getMarginCall", tags=TAGS))
class MarginCallView(Detail, _Calls):
    """One margin call."""

    serializer_class = MarginCallSerializer


@extend_schema_view(get=extend_schema(operation_id="explainMarginCall", tags=TAGS))
class MarginCallExplainView(Reading, _Calls):
    """Each price, rate, haircut and rounding that made the call, now and for ever the same."""

    serializer_class = CallExplanationSerializer

    @staticmethod
    def read(call: MarginCall) -> dict[str, Any]:
        return {"call": MarginCallSerializer(call).data, **explain(call.valuation)}


@extend_schema_view(get=extend_schema(operation_id="getMarginCallCures", tags=TAGS))
class CallCuresView(Reading, _Calls):
    """The three ways to meet the call at present prices, in amounts."""

    serializer_class = CuresSerializer

    @staticmethod
    def read(call: MarginCall) -> dict[str, Any]:
        return cures(call)


@extend_schema_view(
    get=extend_schema(
        operation_id="getMarginCallRegister",
        tags=TAGS,
        parameters=[
            OpenApiParameter("issued_from", OpenApiTypes.DATE, description=_("First day, Hong Kong time.")),
            OpenApiParameter("issued_to", OpenApiTypes.DATE, description=_("Last day, Hong Kong time.")),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
)
class CallRegisterView(_Calls):
    """The register of margin calls as CSV: basis, prices, notices, answers, decisions, sales or why not."""

    pagination_class = None

    def known_parameters(self, method: str) -> frozenset[str]:
        return super().known_parameters(method) | {"issued_from", "issued_to"}

    def get(self, request: Request, *args: Any, **kwargs: Any) -> StreamingHttpResponse:
        calls = self.get_queryset()
        if first := _day(request, "issued_from"):
            calls = calls.filter(issued_at__gte=datetime.combine(first, time.min, tzinfo=HONG_KONG))
        if last := _day(request, "issued_to"):
            calls = calls.filter(
                issued_at__lt=datetime.combine(last + timedelta(days=1), time.min, tzinfo=HONG_KONG)
            )
        return csv_response(calls)


def _day(request: Request, name: str) -> date | None:
    given = request.query_params.get(name)
    if given is None:
        return None
    try:
        day: date = StrictDateField().to_internal_value(given)
    except serializers.ValidationError as error:
        raise refuse_parameter(name, "".join(str(part) for part in error.detail), "not_a_date") from error
    return day
