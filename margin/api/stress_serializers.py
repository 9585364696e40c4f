"""How stress tests are written in the API: changes and falls as fractions, amounts to the cent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.core.api.fields import CommandSerializer, StrictDecimalField, TextField, money_field, rate_field
from margin.models import (
    HaircutBacktest,
    HaircutOutcomeRow,
    ScenarioSet,
    StressName,
    StressResult,
    StressRun,
    StressScenario,
    StressTotal,
)
from margin.stress.breakeven import BreakEven, Edge
from margin.stress.prices import AssetBreakEven, FacilityBreakEven

CHANGE_HELP = _("A fraction: -0.20 is a fall of 20%.")


def _change() -> StrictDecimalField:
    return rate_field(required=False, allow_null=True, default=None, help_text=CHANGE_HELP)


class ScenarioSerializer(CommandSerializer):
    """One scenario; a named asset goes before its class."""

    code = TextField(max_length=32)
    kind = serializers.ChoiceField(choices=StressScenario.Kind.choices)
    name = TextField(max_length=80)
    securities = _change()
    virtual_assets = _change()
    named = TextField(
        required=False,
        default="",
        allow_blank=True,
        max_length=400,
        help_text=_("Codes with a space between; empty for a single name: the one that costs most."),
    )
    named_change = _change()
    currency = TextField(required=False, default="", allow_blank=True, max_length=12)
    currency_change = _change()


class ScenarioSetSerializer(serializers.ModelSerializer[ScenarioSet]):
    broker = serializers.CharField(source="broker.code")
    scenarios = ScenarioSerializer(many=True)
    maker = serializers.CharField(source="maker.username")
    checker = serializers.CharField(source="checker.username", allow_null=True, default=None)

    class Meta:
        model = ScenarioSet
        fields = [
            "id",
            "broker",
            "version",
            "valid_from",
            "reason",
            "scenarios",
            "approval",
            "maker",
            "made_at",
            "checker",
            "checked_at",
        ]


class StressRunSerializer(serializers.ModelSerializer[StressRun]):
    broker = serializers.CharField(source="broker.code")

    class Meta:
        model = StressRun
        fields = ["id", "broker", "scenario_set", "policy", "stressed_at", "month", "account_count", "actor"]


class _Scenario(serializers.Serializer[Any]):
    scenario = serializers.CharField(
        source="scenario.code", allow_null=True, default=None, help_text=_("Null: how it stands.")
    )
    loan = money_field()
    market_value = money_field()
    margin_value = money_field()
    deficiency = money_field()
    loss = money_field(help_text=_("What the loan exceeds the market value by."))


class StressTotalSerializer(_Scenario, serializers.ModelSerializer[StressTotal]):
    class Meta:
        model = StressTotal
        fields = [
            "scenario",
            "named",
            "calls",
            "immediates",
            "losers",
            "loan",
            "market_value",
            "margin_value",
            "deficiency",
            "loss",
        ]


class StressNameSerializer(serializers.ModelSerializer[StressName]):
    asset = serializers.CharField(source="asset.code")
    market_value = money_field()
    deficiency = money_field()
    loss = money_field()

    class Meta:
        model = StressName
        fields = ["asset", "holders", "market_value", "calls", "deficiency", "loss"]


class StressRunDetailSerializer(StressRunSerializer):
    totals = serializers.SerializerMethodField()
    names = serializers.SerializerMethodField()

    class Meta(StressRunSerializer.Meta):
        fields = [*StressRunSerializer.Meta.fields, "totals", "names"]

    @extend_schema_field(StressTotalSerializer(many=True))
    def get_totals(self, run: StressRun) -> Any:
        rows = sorted(run.totals.all(), key=lambda total: total.scenario.number if total.scenario else 0)
        return StressTotalSerializer(rows, many=True).data

    @extend_schema_field(StressNameSerializer(many=True))
    def get_names(self, run: StressRun) -> Any:
        rows = sorted(run.names.all(), key=lambda name: (-name.loss, -name.deficiency, name.asset.code))
        return StressNameSerializer(rows, many=True).data


class StressResultSerializer(_Scenario, serializers.ModelSerializer[StressResult]):
    client = serializers.CharField(source="facility.client.number")

    class Meta:
        model = StressResult
        fields = [
            "id",
            "run",
            "scenario",
            "facility",
            "client",
            "loan",
            "market_value",
            "margin_value",
            "deficiency",
            "loss",
            "level",
        ]


class BreakEvenPriceSerializer(serializers.Serializer[BreakEven]):
    price = StrictDecimalField(
        decimal_places=18, allow_null=True, help_text=_("The highest price at which the edge is passed.")
    )
    is_always = serializers.BooleanField(help_text=_("With no price: passed at any price, and not never."))


class AssetBreakEvenSerializer(serializers.Serializer[AssetBreakEven]):
    asset = serializers.CharField(source="code")
    currency = serializers.CharField()
    price = StrictDecimalField(decimal_places=18)
    call = serializers.SerializerMethodField()
    immediate = serializers.SerializerMethodField()
    loss = serializers.SerializerMethodField()

    @extend_schema_field(BreakEvenPriceSerializer)
    def get_call(self, row: AssetBreakEven) -> Any:
        return BreakEvenPriceSerializer(row.edges[Edge.CALL]).data

    @extend_schema_field(BreakEvenPriceSerializer)
    def get_immediate(self, row: AssetBreakEven) -> Any:
        return BreakEvenPriceSerializer(row.edges[Edge.IMMEDIATE]).data

    @extend_schema_field(BreakEvenPriceSerializer)
    def get_loss(self, row: AssetBreakEven) -> Any:
        return BreakEvenPriceSerializer(row.edges[Edge.LOSS]).data


class FallsSerializer(serializers.Serializer[Mapping[Edge, Any]]):
    """How far everything must fall; null is never, 0 already."""

    call = rate_field(allow_null=True)
    immediate = rate_field(allow_null=True)
    loss = rate_field(allow_null=True)


class BreakEvenSerializer(serializers.Serializer[FacilityBreakEven]):
    at = serializers.DateTimeField()
    falls = FallsSerializer()
    assets = AssetBreakEvenSerializer(many=True)


class HaircutOutcomeSerializer(serializers.ModelSerializer[HaircutOutcomeRow]):
    haircut = rate_field()
    lent = money_field()
    sold = money_field()
    loss = money_field()
    thinnest_cover = rate_field(
        allow_null=True,
        help_text=_("The least market value was of a loan at a close at which it was called."),
    )

    class Meta:
        model = HaircutOutcomeRow
        fields = ["haircut", "lent", "calls", "sales", "sold", "losers", "loss", "thinnest_cover"]


class HaircutBacktestSerializer(serializers.ModelSerializer[HaircutBacktest]):
    rows = HaircutOutcomeSerializer(many=True)

    class Meta:
        model = HaircutBacktest
        fields = ["id", "started_on", "ended_on", "account_count", "seed", "ran_at", "actor", "rows"]
