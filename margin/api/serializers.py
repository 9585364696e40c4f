"""How clients, facilities and money movements are read and shown."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from ledger.api.serializers import JournalDetailSerializer
from ledger.core.api.fields import (
    CommandSerializer,
    StrictDateField,
    TextField,
    money_field,
    quantity_field,
)
from ledger.core.errors import Refusal
from ledger.models import Journal
from margin.credit import stops
from margin.models import Client, Facility, LoanMovement
from margin.models.valuation import Level
from margin.valuations import Assessment, assess, latest

from .ratios import UTILISATION_HELP, ratio_field

# A number stands in addresses and in references such as MC-C001-1.
NUMBER_PATTERN = r"^[A-Za-z0-9._-]{1,40}\Z"


class ClientSerializer(serializers.ModelSerializer[Client]):
    broker = serializers.CharField(source="broker.code")
    group = serializers.CharField(
        source="group.name", allow_null=True, default=None, help_text=_("Clients capped together, if any.")
    )
    facility = serializers.SerializerMethodField(help_text=_("Id of the client's facility, if any."))

    class Meta:
        model = Client
        fields = [
            "broker",
            "number",
            "name",
            "kind",
            "language",
            "email",
            "mobile",
            "opened_on",
            "credit_review_due_on",
            "va_financing_from",
            "group",
            "facility",
        ]

    def get_facility(self, client: Client) -> int | None:
        facility = getattr(client, "facility", None)
        return facility.pk if facility else None


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An individual",
            request_only=True,
            value={
                "number": "C001",
                "name": "Chan Tai Man",
                "kind": "individual",
                "language": "zh-hant",
                "email": "chan@example.com",
                "credit_review_due_on": "2023-05-01",
            },
        )
    ]
)
class OpenClientSerializer(CommandSerializer):
    number = serializers.RegexField(NUMBER_PATTERN, max_length=40, help_text=_("New to the firm."))
    name = TextField(max_length=120)
    kind = serializers.ChoiceField(choices=Client.Kind.choices, default=Client.Kind.INDIVIDUAL)
    language = serializers.ChoiceField(choices=Client.Language.choices, default=Client.Language.ENGLISH)
    mobile = TextField(
        required=False, default="", allow_blank=True, max_length=20, help_text=_("For SMS, as +85291234567.")
    )
    email = serializers.EmailField(required=False, default="", allow_blank=True, max_length=254)
    credit_review_due_on = StrictDateField(
        required=False,
        allow_null=True,
        default=None,
        help_text=_("New credit stops when the review is missing or overdue."),
    )


class StandingSerializer(serializers.Serializer[Assessment]):
    """A facility at this moment, valued at the latest prices."""

    at = serializers.DateTimeField(source="market.at")
    principal = money_field(source="position.principal")
    interest = money_field(source="position.interest", help_text=_("Booked, and accrued since."))
    cash = money_field(source="value.cash", help_text=_("Cash and unsettled proceeds that are set off."))
    loan = money_field(
        source="value.loan", help_text=_("Principal and interest less cash, never below zero.")
    )
    market_value = money_field(source="value.market_value")
    margin_value = money_field(source="value.margin_value", help_text=_("The most the collateral may carry."))
    effective_limit = money_field(
        source="value.effective_limit", help_text=_("The lesser of margin value and credit limit.")
    )
    headroom = money_field(source="value.excess", help_text=_("What the loan may still grow by."))
    deficiency = money_field(source="value.deficiency", help_text=_("What the loan is beyond the limit."))
    utilisation = ratio_field(source="value.utilisation", help_text=UTILISATION_HELP)
    level = serializers.ChoiceField(choices=Level.choices)
    stale_assets = serializers.ListField(
        source="stale",
        child=serializers.CharField(),
        help_text=_("Assets whose price is too old for new credit."),
    )


class FacilitySerializer(serializers.ModelSerializer[Facility]):
    client = serializers.CharField(source="client.number")
    currency = serializers.CharField()
    credit_limit = money_field()

    class Meta:
        model = Facility
        fields = ["id", "client", "currency", "credit_limit", "rate_plan", "opened_on", "closed_on"]


class FacilityDetailSerializer(FacilitySerializer):
    standing = serializers.SerializerMethodField(
        help_text=_("As of now; null where `standing_refused` says why.")
    )
    standing_refused = serializers.SerializerMethodField(
        help_text=_("Why there is no standing, for instance `no_policy`; else empty.")
    )
    stopped_by = serializers.SerializerMethodField(
        help_text=_("What stops advances, purchases and withdrawals now; deposits and repayments never stop.")
    )
    latest_valuation = serializers.SerializerMethodField(help_text=_("Id of the newest stored valuation."))

    class Meta(FacilitySerializer.Meta):
        fields = [
            *FacilitySerializer.Meta.fields,
            "standing",
            "standing_refused",
            "stopped_by",
            "latest_valuation",
        ]

    _standing: Assessment | None
    _refused: str

    def to_representation(self, instance: Facility) -> Any:
        try:
            self._standing, self._refused = assess(instance), ""
        except Refusal as refusal:
            self._standing, self._refused = None, refusal.reason
        return super().to_representation(instance)

    @extend_schema_field(StandingSerializer(allow_null=True))
    def get_standing(self, facility: Facility) -> Any:
        return StandingSerializer(self._standing).data if self._standing else None

    def get_standing_refused(self, facility: Facility) -> str:
        return self._refused

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_stopped_by(self, facility: Facility) -> list[str]:
        return stops(facility, self._standing)

    def get_latest_valuation(self, facility: Facility) -> int | None:
        newest = latest(facility)
        return newest.pk if newest else None


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One million dollars",
            request_only=True,
            value={"client": "C001", "credit_limit": "1000000.00", "rate_plan": "Standard"},
        )
    ]
)
class OpenFacilitySerializer(CommandSerializer):
    client = TextField(max_length=40, help_text=_("Client number."))
    credit_limit = money_field(is_positive=True)
    rate_plan = TextField(max_length=60)


class _BookedOn(CommandSerializer):
    value_on = StrictDateField(required=False, default=None, help_text=_("Value date; today when left out."))


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Eight thousand HSBC", request_only=True, value={"asset": "00005", "quantity": "8000"}
        ),
        OpenApiExample("Bitcoin", request_only=True, value={"asset": "BTC", "quantity": "1.50000000"}),
    ]
)
class CollateralMovementSerializer(_BookedOn):
    asset = TextField(max_length=16)
    quantity = quantity_field(is_positive=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "In Hong Kong dollars", request_only=True, value={"currency": "HKD", "amount": "50000.00"}
        )
    ]
)
class CashMovementSerializer(_BookedOn):
    currency = TextField(max_length=16)
    amount = money_field(is_positive=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample("Paid out", request_only=True, value={"amount": "250000.00", "purpose": "securities"})
    ]
)
class DrawdownSerializer(CommandSerializer):
    amount = money_field(is_positive=True)
    purpose = serializers.ChoiceField(choices=LoanMovement.Purpose.choices)
    is_paid_out = serializers.BooleanField(
        default=True, help_text=_("Paid to the client's bank; else it stays as the client's cash.")
    )


@extend_schema_serializer(
    examples=[OpenApiExample("From the client's cash", request_only=True, value={"amount": "25000.00"})]
)
class RepaymentSerializer(CommandSerializer):
    amount = money_field(is_positive=True)


class MovementSerializer(serializers.Serializer[Journal]):
    """A deposit or withdrawal and the journal that booked it."""

    client = serializers.SerializerMethodField()
    journal = JournalDetailSerializer(source="*")

    def get_client(self, journal: Journal) -> str:
        return str(self.context["view"].kwargs["number"])


class LoanMovementSerializer(serializers.ModelSerializer[LoanMovement]):
    client = serializers.CharField(source="facility.client.number")
    facility = serializers.IntegerField(source="facility_id")
    amount = money_field()
    currency = serializers.CharField(source="amount_currency")
    journal = serializers.UUIDField(source="journal_id")

    class Meta:
        model = LoanMovement
        fields = ["id", "client", "facility", "kind", "purpose", "amount", "currency", "value_on", "journal"]
