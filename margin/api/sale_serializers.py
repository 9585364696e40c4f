"""How forced sales are shown and decided."""

from __future__ import annotations

from rest_framework import serializers

from ledger.core.api.fields import (
    CommandSerializer,
    TextField,
    money_field,
    quantity_field,
    rate_field,
)
from margin.models import Fill, ForcedSale, SaleLeg, SaleOrder


class FillSerializer(serializers.ModelSerializer[Fill]):
    quantity = quantity_field()
    price = quantity_field(help_text="")
    gross = money_field()
    fees = serializers.DictField(child=serializers.CharField())
    fees_total = money_field()
    net = money_field()
    currency = serializers.CharField(source="gross_currency")

    class Meta:
        model = Fill
        fields = [
            "id",
            "venue",
            "execution_id",
            "quantity",
            "price",
            "fx_rate",
            "currency",
            "gross",
            "fees",
            "fees_total",
            "net",
            "traded_at",
            "settles_on",
            "settled_at",
            "trade_journal",
            "settlement_journal",
        ]


class SaleOrderSerializer(serializers.ModelSerializer[SaleOrder]):
    quantity = quantity_field()
    filled_quantity = quantity_field()
    limit_price = quantity_field(help_text="")
    fills = FillSerializer(many=True)

    class Meta:
        model = SaleOrder
        fields = [
            "id",
            "client_order_id",
            "slice_number",
            "status",
            "quantity",
            "filled_quantity",
            "limit_price",
            "venue_reference",
            "reason",
            "created_at",
            "cancel_asked_at",
            "final_at",
            "fills",
        ]


class SaleLegSerializer(serializers.ModelSerializer[SaleLeg]):
    asset = serializers.CharField(source="asset.code")
    quantity = quantity_field()
    reference_price = quantity_field(help_text="")
    expected_gross = money_field()
    expected_fees = money_field()
    orders = SaleOrderSerializer(many=True)

    class Meta:
        model = SaleLeg
        fields = [
            "position",
            "asset",
            "quantity",
            "reference_price",
            "currency",
            "expected_gross",
            "expected_fees",
            "why",
            "orders",
        ]


class ForcedSaleSerializer(serializers.ModelSerializer[ForcedSale]):
    reference = serializers.CharField()
    client = serializers.CharField(source="call.facility.client.number")
    target_utilisation = rate_field()
    expected_gross = money_field()
    currency = serializers.CharField(source="expected_gross_currency")
    maker = serializers.CharField(source="maker.username", default=None, allow_null=True)
    checker = serializers.CharField(source="checker.username", default=None, allow_null=True)

    class Meta:
        model = ForcedSale
        fields = [
            "id",
            "reference",
            "client",
            "call",
            "valuation",
            "plan_number",
            "plan_hash",
            "status",
            "target_utilisation",
            "expected_gross",
            "currency",
            "is_optimality_proved",
            "planned_at",
            "maker",
            "checker",
            "approval_rule",
            "approved_at",
            "closed_at",
        ]


class ForcedSaleDetailSerializer(ForcedSaleSerializer):
    legs = SaleLegSerializer(many=True)

    class Meta(ForcedSaleSerializer.Meta):
        fields = [*ForcedSaleSerializer.Meta.fields, "legs"]


class ApproveSaleSerializer(CommandSerializer):
    plan_hash = TextField(max_length=64, help_text="The hash of the plan that was read.")


class RejectSaleSerializer(CommandSerializer):
    reason = TextField(max_length=200)
