"""How holds are read and shown: accounts by their keys, quantities in units of the asset, as strings."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from ledger.core.api.fields import (
    DECIMAL_SCHEMA,
    CommandSerializer,
    StrictDateField,
    StrictMomentField,
    TextField,
    quantity_field,
)
from ledger.core.decimals import plain
from ledger.holds import HOLDS_PER_GROUP_MAX
from ledger.holds.wishes import REASON_LENGTH_MAX
from ledger.models import Account, Hold, Role
from ledger.requests import TEXT_LENGTHS_MAX

from .serializers import LOCATION_HELP, OWNER_HELP


class HoldAccountSerializer(serializers.ModelSerializer[Account]):
    client = serializers.CharField(source="owner", help_text=OWNER_HELP)
    location = serializers.CharField(source="location.code", default="", help_text=LOCATION_HELP)

    class Meta:
        model = Account
        fields = ["id", "client", "role", "location"]


class HoldSerializer(serializers.ModelSerializer[Hold]):
    """An amount reserved between two accounts; what is left of it is not available."""

    group = serializers.UUIDField(source="group_id", help_text=_("The id of the group's first hold."))
    asset = serializers.CharField(source="debit_account.asset.code")
    debit = HoldAccountSerializer(source="debit_account", help_text=_("The account to be debited."))
    credit = HoldAccountSerializer(source="credit_account", help_text=_("The account to be credited."))
    quantity = serializers.SerializerMethodField(help_text=_("Units of the asset that were held."))
    posted = serializers.SerializerMethodField(help_text=_("Units that journals have posted."))
    left = serializers.SerializerMethodField(
        help_text=_("Units that are still held; none once the hold ended.")
    )

    class Meta:
        model = Hold
        fields = [
            "id",
            "group",
            "position",
            "state",
            "asset",
            "debit",
            "credit",
            "quantity",
            "posted",
            "left",
            "placed_at",
            "expires_at",
            "ended_at",
            "actor",
            "reason",
        ]

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_quantity(self, hold: Hold) -> str:
        return plain(hold.debit_account.asset.units(hold.amount_atoms))

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_posted(self, hold: Hold) -> str:
        return plain(hold.debit_account.asset.units(hold.posted_atoms))

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_left(self, hold: Hold) -> str:
        return plain(hold.debit_account.asset.units(hold.left_atoms))


class HoldDetailSerializer(HoldSerializer):
    journals = serializers.SerializerMethodField(help_text=_("The journals that posted it."))

    class Meta(HoldSerializer.Meta):
        fields = [*HoldSerializer.Meta.fields, "journals"]

    @extend_schema_field(serializers.ListField(child=serializers.UUIDField()))
    def get_journals(self, hold: Hold) -> list[str]:
        return [str(journal.pk) for journal in hold.journals.all()]


class HoldGroupSerializer(serializers.Serializer[Any]):
    """Holds that were placed together, in order."""

    group = serializers.UUIDField(source="group_id")
    holds = HoldSerializer(many=True)


class HoldPostedSerializer(serializers.Serializer[Any]):
    """The journals that were booked, and the holds as they stand now."""

    journals = serializers.ListField(child=serializers.UUIDField(), source="journal_ids")
    holds = HoldSerializer(many=True)


class AccountKeySerializer(CommandSerializer):
    """An account that stands in the books."""

    client = TextField(required=False, default="", allow_blank=True, max_length=40, help_text=OWNER_HELP)
    role = serializers.ChoiceField(choices=Role.choices)
    location = TextField(required=False, default="", allow_blank=True, max_length=32, help_text=LOCATION_HELP)


class HoldWishSerializer(CommandSerializer):
    asset = TextField(max_length=16, help_text=_("Code of the asset."))
    quantity = quantity_field(is_positive=True)
    debit = AccountKeySerializer(help_text=_("The account to be debited."))
    credit = AccountKeySerializer(help_text=_("The account to be credited."))
    reason = TextField(required=False, default="", allow_blank=True, max_length=REASON_LENGTH_MAX)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Coins against a delivery, for an hour",
            request_only=True,
            value={
                "holds": [
                    {
                        "asset": "BTC",
                        "quantity": "0.25000000",
                        "debit": {"client": "C001", "role": "client_collateral", "location": "VATP"},
                        "credit": {"role": "custody", "location": "VATP"},
                        "reason": "Withdrawal to the client's own wallet",
                    }
                ],
                "expires_at": "2099-04-02T17:30:00+08:00",
            },
        )
    ]
)
class PlaceHoldsSerializer(CommandSerializer):
    """One hold, or several that are placed, posted and released together or not at all."""

    holds = serializers.ListField(child=HoldWishSerializer(), min_length=1, max_length=HOLDS_PER_GROUP_MAX)
    expires_at = StrictMomentField(
        required=False,
        default=None,
        allow_null=True,
        help_text=_("What is left is let go then; never if empty."),
    )


class _PostingSerializer(CommandSerializer):
    then_release = serializers.BooleanField(
        required=False, default=False, help_text=_("Whether what is left afterwards is let go at once.")
    )
    value_on = StrictDateField(required=False, help_text=_("Value date; today if it is left out."))
    narrative = TextField(
        required=False, default="", allow_blank=True, max_length=TEXT_LENGTHS_MAX["narrative"]
    )


class PostHoldSerializer(_PostingSerializer):
    quantity = quantity_field(
        is_positive=True, required=False, help_text=_("Units to post; all that is left if it is left out.")
    )


class HoldQuantitySerializer(CommandSerializer):
    hold = serializers.UUIDField()
    quantity = quantity_field(is_positive=True)


class PostHoldGroupSerializer(_PostingSerializer):
    quantities = serializers.ListField(
        child=HoldQuantitySerializer(),
        required=False,
        max_length=HOLDS_PER_GROUP_MAX,
        help_text=_("Units to post of each hold that is open; all that is left if it is left out."),
    )


class ReleaseHoldSerializer(CommandSerializer):
    reason = TextField(max_length=REASON_LENGTH_MAX)
