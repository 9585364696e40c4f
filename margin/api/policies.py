"""Margin policies, proposed and decided by people, and what a firm still needs before it may lend."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
    extend_schema_view,
)
from moneyed import Money
from rest_framework import serializers

from ledger.core.api.fields import (
    CommandSerializer,
    EmptyCommandSerializer,
    StrictDateField,
    TextField,
    money_field,
    rate_field,
)
from ledger.core.api.views import Commanding, DecidedByPeople, Deciding, Detail, Listing
from margin import golive, policies
from margin.clients import BASE_CURRENCY
from margin.models import Broker, CallDeadline, MarginPolicy

from .sale_serializers import RejectSaleSerializer
from .views import BrokerView, owned

TAGS = ["Margin policies"]
TERMS = [
    "valid_from",
    "warn_utilisation",
    "call_utilisation",
    "immediate_utilisation",
    "target_utilisation",
    "minimum_call",
    "deadline_business_days",
    "deadline_cutoff",
    "outage_grace_minutes",
    "automatic_release_limit",
    "price_band",
    "securities_share_minimum",
    "reason",
]


class _Levels(serializers.Serializer[Any]):
    valid_from = StrictDateField(help_text=_("Not before today once a policy is in force."))
    warn_utilisation = rate_field()
    call_utilisation = rate_field()
    immediate_utilisation = rate_field()
    target_utilisation = rate_field()
    minimum_call = money_field()
    deadline_business_days = serializers.IntegerField(min_value=1, max_value=30)
    deadline_cutoff = serializers.TimeField()
    outage_grace_minutes = serializers.IntegerField(min_value=0, max_value=10_080)
    automatic_release_limit = money_field()
    price_band = rate_field()
    securities_share_minimum = rate_field()


class CallDeadlineSerializer(CommandSerializer):
    """One tier: so many days and a cut-off, or so many hours; hours of business days name the office's own."""

    secured_by = serializers.ChoiceField(choices=CallDeadline.SecuredBy.choices)
    above_utilisation = rate_field()
    calendar = serializers.ChoiceField(choices=CallDeadline.Clock.choices)
    business_days = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=30)
    cutoff = serializers.TimeField(required=False, allow_null=True)
    hours = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=720)
    opens_at = serializers.TimeField(required=False, allow_null=True)
    closes_at = serializers.TimeField(required=False, allow_null=True)


class MarginPolicySerializer(_Levels, serializers.ModelSerializer[MarginPolicy]):
    broker = serializers.CharField(source="broker.code")
    deadlines = CallDeadlineSerializer(many=True)
    maker = serializers.CharField(source="maker.username")
    checker = serializers.CharField(source="checker.username", allow_null=True, default=None)

    class Meta:
        model = MarginPolicy
        fields = [
            "id",
            "broker",
            *TERMS,
            "deadlines",
            "approval",
            "maker",
            "made_at",
            "checker",
            "checked_at",
        ]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Round the clock for coins",
            request_only=True,
            value={
                "valid_from": "2026-06-01",
                "warn_utilisation": "0.85",
                "call_utilisation": "1",
                "immediate_utilisation": "1.30",
                "target_utilisation": "0.95",
                "minimum_call": "1000.00",
                "deadline_business_days": 1,
                "deadline_cutoff": "15:00",
                "outage_grace_minutes": 120,
                "automatic_release_limit": "500000.00",
                "price_band": "0.05",
                "securities_share_minimum": "0.20",
                "reason": "Annual review",
                "deadlines": [
                    {
                        "secured_by": "virtual_assets",
                        "above_utilisation": "0",
                        "calendar": "ALWAYS",
                        "hours": 24,
                    }
                ],
            },
        )
    ]
)
class ProposePolicySerializer(_Levels, CommandSerializer):
    reason = TextField(max_length=500)
    deadlines = CallDeadlineSerializer(
        many=True, help_text=_("May be empty; a firm that lends on coins needs one.")
    )


class RequirementSerializer(serializers.Serializer[golive.Requirement]):
    code = serializers.CharField()
    words = serializers.CharField(help_text=_("What is needed, in the reader's language."))
    is_met = serializers.BooleanField()


class ReadinessSerializer(serializers.Serializer[Broker]):
    """What going live needs, and whether the firm has gone live."""

    broker = serializers.CharField(source="code")
    went_live_at = serializers.DateTimeField(allow_null=True)
    requirements = serializers.SerializerMethodField()

    @extend_schema_field(RequirementSerializer(many=True))
    def get_requirements(self, broker: Broker) -> Any:
        return RequirementSerializer(golive.readiness(broker), many=True).data  # type: ignore[arg-type]


class _Policies(DecidedByPeople, BrokerView):
    model = MarginPolicy
    serializer_class = MarginPolicySerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[MarginPolicy]:
        found = MarginPolicy.objects.select_related("broker", "maker", "checker").prefetch_related(
            "deadlines"
        )
        return owned(found, broker, "broker")


@extend_schema_view(
    get=extend_schema(operation_id="listMarginPolicies", tags=TAGS),
    post=extend_schema(operation_id="proposeMarginPolicy", tags=TAGS),
)
class MarginPolicyListView(Listing, Commanding, _Policies):
    """Margin policies, newest first; a proposal has no effect until a second person approves it."""

    command_serializer_class = ProposePolicySerializer

    def locate(self) -> Broker:
        return self.broker_required()

    def carry_out(self, target: Broker, values: dict[str, Any], *, key: str) -> MarginPolicy:
        amounts = {
            name: Money(values.pop(name), BASE_CURRENCY)
            for name in ("minimum_call", "automatic_release_limit")
        }
        return policies.propose_policy(broker=target, maker=self.person, **values, **amounts)


@extend_schema_view(get=extend_schema(operation_id="getMarginPolicy", tags=TAGS))
class MarginPolicyView(Detail, _Policies):
    """One margin policy or proposal, with its deadlines."""


class _Decision(Deciding, _Policies):
    staff_permissions = {"POST": "margin.change_marginpolicy"}


@extend_schema_view(post=extend_schema(operation_id="approveMarginPolicy", tags=TAGS))
class ApprovePolicyView(_Decision):
    """Put a proposal in force from its day on; its maker is refused."""

    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: MarginPolicy, values: dict[str, Any], *, key: str) -> MarginPolicy:
        return policies.approve_policy(target, checker=self.person)


@extend_schema_view(post=extend_schema(operation_id="rejectMarginPolicy", tags=TAGS))
class RejectPolicyView(_Decision):
    """Send a proposal back with a reason."""

    command_serializer_class = RejectSaleSerializer

    def carry_out(self, target: MarginPolicy, values: dict[str, Any], *, key: str) -> MarginPolicy:
        return policies.reject_policy(target, checker=self.person, reason=values["reason"])


@extend_schema_view(get=extend_schema(operation_id="getReadiness", tags=TAGS))
class ReadinessView(Detail, BrokerView):
    """What a firm still needs before it may go live and lend."""

    model = Broker
    serializer_class = ReadinessSerializer
    lookup_field = "code"

    def for_broker(self, broker: Broker | None) -> QuerySet[Broker]:
        return Broker.objects.all() if broker is None else Broker.objects.filter(pk=broker.pk)
