"""Stress tests: the scenarios a firm runs, what they did to it and to each account, and break-even prices."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.core.api.fields import CommandSerializer, EmptyCommandSerializer, StrictDateField, TextField
from ledger.core.api.filters import IdFilter
from ledger.core.api.views import Commanding, DecidedByPeople, Deciding, Detail, Listing, SharedView
from margin.models import Broker, Facility, HaircutBacktest, ScenarioSet, StressResult, StressRun
from margin.stress import sets
from margin.stress.prices import break_even_of
from margin.stress.runs import run_stress

from .sale_serializers import RejectSaleSerializer
from .stress_serializers import (
    BreakEvenSerializer,
    HaircutBacktestSerializer,
    ScenarioSerializer,
    ScenarioSetSerializer,
    StressResultSerializer,
    StressRunDetailSerializer,
    StressRunSerializer,
)
from .views import BrokerView, owned

TAGS = ["Stress tests"]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A market fall and a single name",
            request_only=True,
            value={
                "valid_from": "2026-06-01",
                "reason": "Risk committee",
                "scenarios": [
                    {
                        "code": "market-fall",
                        "kind": "market_fall",
                        "name": "Stocks fall 20%, coins 40%",
                        "securities": "-0.20",
                        "virtual_assets": "-0.40",
                    },
                    {
                        "code": "worst-name",
                        "kind": "single_name",
                        "name": "The worst name to zero",
                        "named_change": "-1",
                    },
                ],
            },
        )
    ]
)
class ProposeSetSerializer(CommandSerializer):
    valid_from = StrictDateField(help_text=_("Not before today once a set is in force."))
    reason = TextField(max_length=500)
    scenarios = ScenarioSerializer(many=True, allow_empty=False)


class RunStressSerializer(CommandSerializer):
    scenario_set = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        help_text=_("Id of an approved set of scenarios; left out, the one in force."),
    )


class _Sets(DecidedByPeople, BrokerView):
    model = ScenarioSet
    serializer_class = ScenarioSetSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[ScenarioSet]:
        found = ScenarioSet.objects.select_related("broker", "maker", "checker").prefetch_related("scenarios")
        return owned(found, broker, "broker")


@extend_schema_view(
    get=extend_schema(operation_id="listScenarioSets", tags=TAGS),
    post=extend_schema(operation_id="proposeScenarioSet", tags=TAGS),
)
class ScenarioSetListView(Listing, Commanding, _Sets):
    """Sets of stress scenarios, newest first; a proposal has no effect until a second person approves it."""

    command_serializer_class = ProposeSetSerializer

    def locate(self) -> Broker:
        return self.broker_required()

    def carry_out(self, target: Broker, values: dict[str, Any], *, key: str) -> ScenarioSet:
        return sets.propose_set(broker=target, maker=self.person, **values)


@extend_schema_view(get=extend_schema(operation_id="getScenarioSet", tags=TAGS))
class ScenarioSetView(Detail, _Sets):
    """One set or proposal, with its scenarios."""


class _Decision(Deciding, _Sets):
    staff_permissions = {"POST": "margin.change_scenarioset"}


@extend_schema_view(post=extend_schema(operation_id="approveScenarioSet", tags=TAGS))
class ApproveScenarioSetView(_Decision):
    """Put a proposal in force from its day on; its maker is refused."""

    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: ScenarioSet, values: dict[str, Any], *, key: str) -> ScenarioSet:
        return sets.approve_set(target, checker=self.person)


@extend_schema_view(post=extend_schema(operation_id="rejectScenarioSet", tags=TAGS))
class RejectScenarioSetView(_Decision):
    """Send a proposal back with a reason."""

    command_serializer_class = RejectSaleSerializer

    def carry_out(self, target: ScenarioSet, values: dict[str, Any], *, key: str) -> ScenarioSet:
        return sets.reject_set(target, checker=self.person, reason=values["reason"])


class _Runs(BrokerView):
    model = StressRun
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[StressRun]:
        return owned(StressRun.objects.select_related("broker"), broker, "broker")


@extend_schema_view(
    get=extend_schema(operation_id="listStressTests", tags=TAGS),
    post=extend_schema(operation_id="runStressTest", tags=TAGS),
)
class StressRunListView(Listing, Commanding, _Runs):
    """Stress tests, newest first; a `POST` runs one now. `month` names the run that the clock makes once a month."""

    serializer_class = StressRunSerializer
    reply_serializer_class = StressRunDetailSerializer
    command_serializer_class = RunStressSerializer

    def locate(self) -> Broker:
        return self.broker_required()

    def carry_out(self, target: Broker, values: dict[str, Any], *, key: str) -> StressRun:
        chosen = None
        if values["scenario_set"] is not None:
            chosen = sets.set_of(target, values["scenario_set"])
        return run_stress(broker=target, scenario_set=chosen, actor=self.caller.actor)


@extend_schema_view(get=extend_schema(operation_id="getStressTest", tags=TAGS))
class StressRunView(Detail, _Runs):
    """One stress test: the firm under each scenario, and each security to zero, the costliest first."""

    serializer_class = StressRunDetailSerializer

    def for_broker(self, broker: Broker | None) -> QuerySet[StressRun]:
        return super().for_broker(broker).prefetch_related("totals__scenario", "names__asset")


class StressResultFilter(django_filters.FilterSet):
    run = IdFilter(field_name="run_id")
    scenario = django_filters.CharFilter(field_name="scenario__code", help_text=_("Code of a scenario."))
    client = django_filters.CharFilter(field_name="facility__client__number")
    latest = django_filters.BooleanFilter(
        method="newest_only", help_text=_("Only those of the newest stress test.")
    )

    class Meta:
        model = StressResult
        fields: list[str] = []

    def newest_only(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        if not value:
            return queryset
        newer = StressRun.objects.filter(broker=OuterRef("run__broker"), pk__gt=OuterRef("run_id"))
        return queryset.filter(~Exists(newer))


@extend_schema_view(get=extend_schema(operation_id="listStressResults", tags=TAGS))
class StressResultListView(Listing, BrokerView):
    """What each scenario does to each borrowing account; with no scenario, how it stood."""

    model = StressResult
    serializer_class = StressResultSerializer
    filterset_class = StressResultFilter

    def for_broker(self, broker: Broker | None) -> QuerySet[StressResult]:
        return owned(
            StressResult.objects.select_related("scenario", "facility__client"), broker, "run__broker"
        )


@extend_schema_view(get=extend_schema(operation_id="getBreakEven", tags=TAGS))
class BreakEvenView(Detail, BrokerView):
    """How far prices must fall, of everything and asset by asset, until the account is called, sold, or costs the lender."""

    model = Facility
    serializer_class = BreakEvenSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[Facility]:
        return owned(Facility.objects.select_related("client__broker__book"), broker, "client__broker")

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(BreakEvenSerializer(break_even_of(self.get_object())).data)


class _Backtests(SharedView):
    """Of the market and of no firm, so every firm reads them."""

    model = HaircutBacktest
    serializer_class = HaircutBacktestSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def get_queryset(self) -> QuerySet[HaircutBacktest]:
        return HaircutBacktest.objects.prefetch_related("rows")


@extend_schema_view(get=extend_schema(operation_id="listHaircutBacktests", tags=TAGS))
class HaircutBacktestListView(Listing, _Backtests):
    """What several haircuts on coins would have done to the lender over real prices, newest first."""


@extend_schema_view(get=extend_schema(operation_id="getHaircutBacktest", tags=TAGS))
class HaircutBacktestView(Detail, _Backtests):
    """One backtest of haircuts, a row for each."""
