"""How valuations are shown, and the explanation of what made them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from ledger.core.api.fields import money_field, quantity_field
from margin.models import CollateralCap, Valuation, ValuationLine
from margin.models.valuation import Level

from .ratios import UTILISATION_HELP, ratio_field


class ValuationLineSerializer(serializers.ModelSerializer[ValuationLine]):
    asset = serializers.CharField(source="asset.code")
    quantity = quantity_field()
    market_value = money_field()
    margin_value = money_field()
    uncapped_margin_value = money_field(allow_null=True, help_text=_("Null where no cap bound."))

    class Meta:
        model = ValuationLine
        fields = [
            "asset",
            "quantity",
            "price",
            "fx_rate",
            "haircut",
            "market_value",
            "margin_value",
            "uncapped_margin_value",
        ]


class ValuationSerializer(serializers.ModelSerializer[Valuation]):
    client = serializers.CharField(source="facility.client.number")
    principal = money_field()
    interest = money_field()
    cash = money_field()
    loan = money_field()
    market_value = money_field()
    margin_value = money_field()
    securities_margin_value = money_field()
    credit_limit = money_field()
    deficiency = money_field()
    utilisation = ratio_field(help_text=UTILISATION_HELP)

    class Meta:
        model = Valuation
        fields = [
            "id",
            "run",
            "client",
            "facility",
            "policy",
            "valued_at",
            "principal",
            "interest",
            "cash",
            "loan",
            "market_value",
            "margin_value",
            "securities_margin_value",
            "credit_limit",
            "deficiency",
            "utilisation",
            "level",
            "has_soft_stale_price",
            "has_hard_stale_price",
        ]


class ValuationDetailSerializer(ValuationSerializer):
    lines = ValuationLineSerializer(many=True)

    class Meta(ValuationSerializer.Meta):
        fields = [*ValuationSerializer.Meta.fields, "lines"]


class PriceUsedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    price = serializers.CharField()
    currency = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    observed_at = serializers.DateTimeField()


class FxRateUsedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    base = serializers.CharField()
    quote = serializers.CharField()
    bid = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    observed_at = serializers.DateTimeField()


class TierUsedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    above = serializers.CharField()
    haircut = serializers.CharField()


class HaircutUsedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    haircut = serializers.CharField()
    valid_from = serializers.DateField()
    tiers = TierUsedSerializer(many=True)


class EligibilityUsedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    is_accepted = serializers.BooleanField()
    valid_from = serializers.DateField()


class TermsUsedSerializer(serializers.Serializer[Any]):
    """What else than its haircut decided how much of an asset counted."""

    sheet = serializers.IntegerField()
    is_eligible = serializers.BooleanField(help_text=_("What is not eligible counts for nothing."))
    eligibility = EligibilityUsedSerializer(
        allow_null=True, help_text=_("The house's decision; null where the rules decided.")
    )


class InputSerializer(serializers.Serializer[Any]):
    asset = serializers.CharField()
    price = PriceUsedSerializer(allow_null=True)
    fx_rate = FxRateUsedSerializer(allow_null=True)
    haircut = HaircutUsedSerializer(allow_null=True)
    terms = TermsUsedSerializer(allow_null=True)


class CapUsedSerializer(serializers.Serializer[Any]):
    """A cap that bound on an asset, with the sums of its scope at that moment."""

    id = serializers.IntegerField()
    asset = serializers.CharField()
    scope = serializers.ChoiceField(choices=CollateralCap.Scope.choices)
    measure = serializers.ChoiceField(choices=CollateralCap.Measure.choices)
    share = serializers.CharField(allow_null=True)
    amount = serializers.CharField(allow_null=True)
    valid_from = serializers.DateField()
    base = serializers.CharField(help_text=_("Uncapped margin value that the share is of."))
    scope_value = serializers.CharField(help_text=_("Uncapped margin value held within the scope."))
    ceiling = serializers.CharField(help_text=_("What counted at most in this account."))


class PolicyUsedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    valid_from = serializers.DateField()
    warn_utilisation = serializers.CharField()
    call_utilisation = serializers.CharField()
    immediate_utilisation = serializers.CharField()


class FiguresSerializer(serializers.Serializer[Any]):
    loan = serializers.CharField()
    market_value = serializers.CharField()
    margin_value = serializers.CharField()
    deficiency = serializers.CharField()
    utilisation = serializers.CharField(allow_null=True)
    level = serializers.ChoiceField(choices=Level.choices)


class StoredFiguresSerializer(FiguresSerializer):
    principal = serializers.CharField()
    interest = serializers.CharField()
    cash = serializers.CharField()
    credit_limit = serializers.CharField()


class ExplanationSerializer(serializers.Serializer[Any]):
    """Each price, rate, haircut and rounding that made a valuation."""

    valuation = serializers.IntegerField()
    valued_at = serializers.DateTimeField()
    level = serializers.ChoiceField(choices=Level.choices)
    policy = PolicyUsedSerializer()
    stored = StoredFiguresSerializer(help_text=_("The figures as they were kept."))
    inputs = InputSerializer(many=True, help_text=_("The rows that were used, with source and time."))
    caps = CapUsedSerializer(many=True)
    calculation = serializers.DictField(
        help_text=_("The kernel's account, step by step, with what was rounded and how.")
    )


class ReplaySerializer(serializers.Serializer[Any]):
    """The valuation computed again from the rows it names."""

    valuation = serializers.IntegerField()
    is_equal = serializers.BooleanField(help_text=_("Every stored figure was met to the cent."))
    differences = serializers.ListField(child=serializers.CharField())
    stored = StoredFiguresSerializer()
    replayed = FiguresSerializer()
