"""How corporate actions are read and shown: codes for assets, exact numbers as strings."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from ledger.core.api.fields import (
    DECIMAL_SCHEMA,
    CommandSerializer,
    NumberTextField,
    StrictDateField,
    StrictDecimalField,
    TextField,
)
from ledger.core.decimals import from_atoms, plain
from ledger.corporate_actions.ratios import TERM_MAX
from ledger.models import CorporateAction, Entitlement, Role

from .serializers import LOCATION_HELP, OWNER_HELP

GIVEN_HELP = _("Units of what is given.")
FRACTION_SCHEMA = {"type": "string", "pattern": r"^[0-9]+/[0-9]+$"}


def price_shown(**options: Any) -> StrictDecimalField:
    return StrictDecimalField(decimal_places=18, max_digits=38, allow_null=True, **options)


class CorporateActionSerializer(serializers.ModelSerializer[CorporateAction]):
    asset = serializers.CharField(source="asset.code")
    given = serializers.CharField(
        source="given.code", help_text=_("What holders are given: shares or money.")
    )
    currency = serializers.CharField(source="currency.code", default="")
    location = serializers.CharField(
        source="location.code", default="", help_text=_("Empty for wherever the asset lies.")
    )
    amount = price_shown(help_text=_("Per unit, of a cash dividend."))
    fraction_price = price_shown(help_text=_("Per unit of what is given, for what cannot be delivered."))
    maker = serializers.CharField(source="maker.username")
    checker = serializers.CharField(source="checker.username", default=None, allow_null=True)

    class Meta:
        model = CorporateAction
        fields = [
            "id",
            "reference",
            "kind",
            "asset",
            "given",
            "location",
            "ratio_new",
            "ratio_old",
            "amount",
            "fraction_price",
            "currency",
            "ex_on",
            "record_on",
            "pay_on",
            "stage",
            "applied_at",
            "completed_at",
            "approval",
            "maker",
            "made_at",
            "checker",
            "checked_at",
            "reason",
        ]


class EntitlementLineSerializer(serializers.ModelSerializer[Entitlement]):
    """What one account is given; the custodian's account stands for its whole place."""

    client = serializers.CharField(source="account.owner", help_text=OWNER_HELP)
    role = serializers.ChoiceField(source="account.role", choices=Role.choices)
    location = serializers.CharField(source="account.location.code", default="", help_text=LOCATION_HELP)
    holding = serializers.SerializerMethodField(help_text=_("Units of the asset that were counted."))
    entitled = serializers.SerializerMethodField(help_text=GIVEN_HELP)
    fraction = serializers.SerializerMethodField(
        help_text=_("Of the smallest unit given, exact, that cannot be delivered.")
    )
    cash = serializers.SerializerMethodField(help_text=_("Paid for the fraction, in the action's currency."))

    class Meta:
        model = Entitlement
        fields = ["client", "role", "location", "holding", "entitled", "fraction", "cash"]

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_holding(self, row: Entitlement) -> str:
        return plain(from_atoms(row.holding_atoms, row.action.asset.scale))

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_entitled(self, row: Entitlement) -> str:
        return plain(from_atoms(row.entitled_atoms, row.action.given.scale))

    @extend_schema_field(FRACTION_SCHEMA)
    def get_fraction(self, row: Entitlement) -> str:
        return f"{row.fraction.numerator}/{row.fraction.denominator}"

    @extend_schema_field({**DECIMAL_SCHEMA, "nullable": True})
    def get_cash(self, row: Entitlement) -> str | None:
        money = row.action.currency
        return plain(from_atoms(row.cash_atoms, money.scale)) if money else None


class EntitlementSerializer(EntitlementLineSerializer):
    account = serializers.IntegerField(source="account_id")
    held_up_by = serializers.CharField(
        help_text=_("Why it waits: the code of a refusal; empty if it does not.")
    )
    journal = serializers.UUIDField(source="journal_id", allow_null=True)
    payment = serializers.UUIDField(source="payment_id", allow_null=True)

    class Meta(EntitlementLineSerializer.Meta):
        fields = [
            "id",
            "account",
            *EntitlementLineSerializer.Meta.fields,
            "status",
            "held_up_by",
            "journal",
            "payment",
        ]


class PreviewSerializer(serializers.Serializer[Any]):
    """Nothing of it is kept: what is given is counted when the action is applied."""

    lines = EntitlementLineSerializer(many=True)
    left_out = serializers.IntegerField(help_text=_("Accounts beyond what one reply holds."))


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A split",
            request_only=True,
            value={
                "reference": "2026-0402-00700",
                "kind": "split",
                "asset": "00700",
                "ratio_new": 5,
                "ratio_old": 1,
                "ex_on": "2026-04-02",
            },
        )
    ]
)
class ProposeCorporateActionSerializer(CommandSerializer):
    reference = TextField(
        max_length=40, help_text=_("The number of the announcement; each is carried out once.")
    )
    kind = serializers.ChoiceField(choices=CorporateAction.Kind.choices)
    asset = TextField(max_length=16, help_text=_("Code of the asset."))
    ex_on = StrictDateField(help_text=_("A split takes effect as this day begins."))
    record_on = StrictDateField(
        required=False, help_text=_("Who holds at its end is entitled; none for a split.")
    )
    pay_on = StrictDateField(required=False)
    ratio_new = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=TERM_MAX,
        help_text=_("What is given for the old: 5 for 1, 1 for 10."),
    )
    ratio_old = serializers.IntegerField(required=False, min_value=1, max_value=TERM_MAX)
    other_asset = TextField(
        required=False, max_length=16, help_text=_("Of a bonus in another asset; empty for the same.")
    )
    amount = NumberTextField(required=False, help_text=_("Per unit, of a cash dividend."))
    fraction_price = NumberTextField(
        required=False, help_text=_("Per unit of what is given, for what cannot be delivered.")
    )
    currency = TextField(required=False, max_length=12)
    location = TextField(required=False, max_length=32, help_text=_("Empty for wherever the asset lies."))
    reason = TextField(required=False, default="", allow_blank=True, max_length=500)


class RejectCorporateActionSerializer(CommandSerializer):
    reason = TextField(max_length=500)
