"""How limits of accounts and closings of periods are read and shown: exact numbers as strings."""

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
    TextField,
    quantity_field,
)
from ledger.core.decimals import plain
from ledger.models import AccountLimit, PeriodChange, Role
from ledger.periods import Total, totals_of

from .serializers import LOCATION_HELP, OWNER_HELP

SIDE_HELP = _("Units of the asset, on the account's normal side; null for none.")
DECISION_FIELDS = ["approval", "maker", "made_at", "checker", "checked_at", "reason"]


class _DecidedSerializer(serializers.ModelSerializer[Any]):
    maker = serializers.CharField(source="maker.username")
    checker = serializers.CharField(source="checker.username", default=None, allow_null=True)


class AccountLimitSerializer(_DecidedSerializer):
    account = serializers.IntegerField(source="account_id")
    client = serializers.CharField(source="account.owner", help_text=OWNER_HELP)
    role = serializers.ChoiceField(source="account.role", choices=Role.choices)
    asset = serializers.CharField(source="account.asset.code")
    location = serializers.CharField(source="account.location.code", default="", help_text=LOCATION_HELP)
    floor = quantity_field(allow_null=True, help_text=SIDE_HELP)
    ceiling = quantity_field(allow_null=True, help_text=SIDE_HELP)
    is_in_force = serializers.SerializerMethodField()

    class Meta:
        model = AccountLimit
        fields = [
            "id",
            "account",
            "client",
            "role",
            "asset",
            "location",
            "floor",
            "ceiling",
            "effective_on",
            "applied_at",
            "is_in_force",
            *DECISION_FIELDS,
        ]

    def get_is_in_force(self, limit: AccountLimit) -> bool:
        return limit.account.balance.limit_id == limit.pk


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An overdraft of 500 dollars",
            request_only=True,
            value={
                "account": 17,
                "floor": "-500.00",
                "effective_on": "2026-06-01",
                "reason": "Agreed in May",
            },
        )
    ]
)
class ProposeLimitSerializer(CommandSerializer):
    account = serializers.IntegerField(min_value=1)
    floor = NumberTextField(required=False, default=None, allow_null=True, help_text=SIDE_HELP)
    ceiling = NumberTextField(required=False, default=None, allow_null=True, help_text=SIDE_HELP)
    effective_on = StrictDateField(help_text=_("In force from this day on; today or later."))
    reason = TextField(max_length=500)


class ReasonSerializer(CommandSerializer):
    reason = TextField(max_length=500)


class TotalSerializer(serializers.Serializer[Total]):
    """What the accounts of one asset came to; the two sides are equal."""

    asset = serializers.CharField()
    debit = serializers.SerializerMethodField()
    credit = serializers.SerializerMethodField()
    accounts = serializers.IntegerField()
    entries = serializers.IntegerField()

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_debit(self, total: Total) -> str:
        return plain(total.debit)

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_credit(self, total: Total) -> str:
        return plain(total.credit)


class PeriodChangeSerializer(_DecidedSerializer):
    book = serializers.CharField(source="book.code")
    closed_before = serializers.DateField(
        allow_null=True, help_text=_("What was closed when it was approved; null for nothing.")
    )
    totals = serializers.SerializerMethodField(
        help_text=_("What stood in the books at the closing, per asset; empty for what was not closed.")
    )

    class Meta:
        model = PeriodChange
        fields = ["id", "book", "kind", "through", "number", "closed_before", "totals", *DECISION_FIELDS]

    @extend_schema_field(TotalSerializer(many=True))
    def get_totals(self, change: PeriodChange) -> Any:
        return [TotalSerializer(total).data for total in totals_of(change)]


class ProposePeriodChangeSerializer(CommandSerializer):
    kind = serializers.ChoiceField(choices=PeriodChange.Kind.choices)
    through = StrictDateField(
        required=False,
        default=None,
        allow_null=True,
        help_text=_("The last day that is closed afterwards; of a reopening null for all days open."),
    )
    reason = TextField(max_length=500)
