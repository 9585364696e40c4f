"""How the market is read and shown: numbers as strings, times with their zone."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from collateral.models import EntityType, FxRate, Instrument, LendingHaircut, Price, Product
from collateral.prices import PriceState
from ledger.core.api.fields import (
    DECIMAL_SCHEMA,
    CommandSerializer,
    NumberTextField,
    StrictDateField,
    StrictDecimalField,
    TextField,
)

from .fields import MomentField

PRICES_PER_BATCH_MAX: Final = 1_000

PRICE_HELP = _("Per unit in the trading currency, above zero.")
HAIRCUT_HELP = _('A fraction as a string: "0.60" takes sixty per cent off.')
TIER_HELP = _("Hong Kong dollars of market value in one account beyond which the tier begins.")


def price_shown(**options: Any) -> StrictDecimalField:
    return StrictDecimalField(decimal_places=18, max_digits=38, **options)


class InstrumentSerializer(serializers.ModelSerializer[Instrument]):
    class Meta:
        model = Instrument
        fields = [
            "code",
            "name",
            "venue",
            "category",
            "sub_category",
            "board_lot",
            "isin",
            "trading_currency",
            "rmb_counter",
            "is_stamp_dutiable",
            "is_cas_eligible",
            "is_vcm_eligible",
            "spread_table",
            "status",
        ]


class PriceSerializer(serializers.ModelSerializer[Price]):
    code = serializers.CharField(source="instrument.code")
    price = price_shown()
    observed_at = MomentField()
    received_at = MomentField()
    adjusts = serializers.IntegerField(
        source="adjusts_id",
        allow_null=True,
        help_text=_("The price as it was seen, of which a split made this one."),
    )

    class Meta:
        model = Price
        fields = ["id", "code", "price", "currency", "source", "observed_at", "received_at", "adjusts"]


class QuoteSerializer(serializers.Serializer[Any]):
    """The price an instrument is valued at now, and what it is good for."""

    code = serializers.CharField()
    price_id = serializers.IntegerField(allow_null=True, help_text=_("The row of `prices`, if there is one."))
    price = price_shown(allow_null=True)
    currency = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    observed_at = MomentField(allow_null=True)
    state = serializers.ChoiceField(choices=[state.value for state in PriceState])
    allows_new_credit = serializers.BooleanField()
    allows_sale = serializers.BooleanField()


class PriceItemSerializer(CommandSerializer):
    code = TextField(max_length=16, help_text=_("Code of the instrument."))
    price = NumberTextField(help_text=PRICE_HELP)
    currency = TextField(max_length=12)
    observed_at = MomentField(help_text=_("Not in the future."))


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Bitcoin",
            request_only=True,
            value={
                "code": "BTC",
                "price": "95000.00",
                "currency": "USD",
                "observed_at": "2026-03-07T02:59:30+08:00",
                "source": "index",
            },
        )
    ]
)
class RecordPriceSerializer(PriceItemSerializer):
    source = TextField(max_length=40, help_text=_("Who observed it."))  # type: ignore[assignment]


class RecordPricesSerializer(CommandSerializer):
    source = TextField(max_length=40, help_text=_("Who observed them."))  # type: ignore[assignment]
    prices = PriceItemSerializer(  # type: ignore[call-arg]
        many=True, allow_empty=False, max_length=PRICES_PER_BATCH_MAX
    )


class PriceResultSerializer(serializers.Serializer[Any]):
    """What became of one price of a batch: its row, or why it was refused."""

    code = serializers.CharField()
    id = serializers.IntegerField(allow_null=True)
    refusal = serializers.CharField(allow_null=True, help_text=_("The broken rule; stable."))
    detail = serializers.CharField()


class PriceResultsSerializer(serializers.Serializer[Any]):
    results = PriceResultSerializer(many=True, help_text=_("In the order of the request."))


class FxRateSerializer(serializers.ModelSerializer[FxRate]):
    bid = price_shown(help_text=_("What assets are valued at."))
    ask = price_shown(help_text=_("What debts are valued at."))
    observed_at = MomentField()
    received_at = MomentField()

    class Meta:
        model = FxRate
        fields = ["id", "base", "quote", "bid", "ask", "source", "observed_at", "received_at"]


class FxQuoteSerializer(serializers.Serializer[Any]):
    """The rate in force; a currency against itself is 1 and has no row."""

    rate_id = serializers.IntegerField(allow_null=True)
    base = serializers.CharField()
    quote = serializers.CharField()
    bid = price_shown()
    ask = price_shown()
    observed_at = MomentField(allow_null=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "US dollar",
            request_only=True,
            value={
                "base": "USD",
                "quote": "HKD",
                "bid": "7.7850",
                "ask": "7.7860",
                "observed_at": "2026-03-07T02:59:30+08:00",
                "source": "bank",
            },
        )
    ]
)
class RecordRateSerializer(CommandSerializer):
    base = TextField(max_length=12)
    quote = TextField(max_length=12)
    bid = NumberTextField(help_text=_("In the quote currency per unit of the base currency."))
    ask = NumberTextField(help_text=_("Not below the bid."))
    observed_at = MomentField(help_text=_("Not in the future."))
    source = TextField(max_length=40, help_text=_("Who observed it."))  # type: ignore[assignment]


class TierSerializer(serializers.Serializer[Any]):
    """A slice of market value and what it takes instead of the haircut below."""

    id = serializers.IntegerField()
    above = StrictDecimalField(decimal_places=2, max_digits=20, help_text=TIER_HELP)
    haircut = StrictDecimalField(decimal_places=8, max_digits=18, help_text=HAIRCUT_HELP)


class ProposeTierSerializer(serializers.Serializer[Any]):
    above = NumberTextField(help_text=TIER_HELP)
    haircut = NumberTextField(help_text=_("No lower than that of the slice below."))


class HaircutSerializer(serializers.ModelSerializer[LendingHaircut]):
    asset = serializers.CharField(source="asset.code")
    haircut = StrictDecimalField(decimal_places=8, max_digits=18, help_text=HAIRCUT_HELP)
    margin_ratio = serializers.SerializerMethodField(help_text=_("1 less the haircut."))
    tiers = TierSerializer(many=True, help_text=_("Higher haircuts on higher slices, in their order."))
    maker = serializers.CharField(source="maker.username")
    made_at = MomentField()
    checker = serializers.CharField(source="checker.username", allow_null=True, default=None)
    checked_at = MomentField(allow_null=True)

    class Meta:
        model = LendingHaircut
        fields = [
            "id",
            "asset",
            "entity_type",
            "product",
            "haircut",
            "margin_ratio",
            "tiers",
            "valid_from",
            "approval",
            "maker",
            "made_at",
            "checker",
            "checked_at",
            "reason",
        ]

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_margin_ratio(self, haircut: LendingHaircut) -> str:
        return format(haircut.margin_ratio, "f")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Bitcoin at its floor",
            request_only=True,
            value={"asset": "BTC", "haircut": "0.60", "valid_from": "2026-03-10", "reason": "26EC5"},
        )
    ]
)
class ProposeHaircutSerializer(CommandSerializer):
    asset = TextField(max_length=16, help_text=_("Code of the asset."))
    haircut = NumberTextField(help_text=HAIRCUT_HELP)
    tiers = ProposeTierSerializer(
        many=True, required=False, default=list, help_text=_("Higher haircuts on higher slices.")
    )
    valid_from = StrictDateField(help_text=_("Not before today once the asset has a haircut."))
    entity_type = serializers.ChoiceField(choices=EntityType.choices, default=EntityType.LICENSED_CORPORATION)
    product = serializers.ChoiceField(choices=Product.choices, default=Product.MARGIN_LOAN)
    reason = TextField(required=False, default="", allow_blank=True, max_length=500)


class RejectHaircutSerializer(CommandSerializer):
    reason = TextField(max_length=500)
