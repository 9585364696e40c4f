"""Decisions on margin calls, and the client's acknowledgement of one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import get_object_or_404

from ledger.core.api.fields import (
    CommandSerializer,
    EmptyCommandSerializer,
    StrictMomentField,
    TextField,
    money_field,
)
from ledger.core.api.filters import IdFilter
from ledger.core.api.views import Commanding, DecidedByPeople, Deciding, Detail, Listing
from ledger.core.models import FourEyes
from margin import decisions
from margin.acknowledgements import CHANNEL_CHOICES, acknowledge
from margin.models import Broker, CallDecision, MarginCall

from .calls import MarginCallSerializer, _Calls
from .sale_serializers import RejectSaleSerializer
from .views import BrokerView, owned

TAGS = ["Margin calls"]


class CallDecisionSerializer(serializers.ModelSerializer[CallDecision]):
    client = serializers.CharField(source="call.facility.client.number")
    amount = money_field(allow_null=True)
    maker = serializers.CharField(source="maker.username")
    checker = serializers.CharField(source="checker.username", allow_null=True, default=None)

    class Meta:
        model = CallDecision
        fields = [
            "id",
            "call",
            "client",
            "kind",
            "reason_code",
            "reason",
            "risk_assessment",
            "amount",
            "expires_at",
            "approval",
            "maker",
            "made_at",
            "checker",
            "checked_at",
        ]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A payment that is on its way",
            request_only=True,
            value={
                "kind": "deviation",
                "reason_code": "payment_in_transit",
                "reason": "Cheque received, clears tomorrow",
                "risk_assessment": "Covered at a further fall of 8%; the client has always paid",
                "expires_at": "2026-04-09T17:00:00+08:00",
            },
        )
    ]
)
class ProposeDecisionSerializer(CommandSerializer):
    kind = serializers.ChoiceField(choices=CallDecision.Kind.choices)
    reason_code = serializers.ChoiceField(choices=CallDecision.Why.choices)
    reason = TextField(max_length=500)
    risk_assessment = TextField(required=False, default="", allow_blank=True, max_length=2_000)
    amount = money_field(required=False, allow_null=True, default=None)
    expires_at = StrictMomentField(required=False, allow_null=True, default=None)


class AcknowledgeSerializer(CommandSerializer):
    by = TextField(max_length=150, help_text=_("Who acknowledged it."))
    channel = serializers.ChoiceField(choices=CHANNEL_CHOICES)


class CallDecisionFilter(django_filters.FilterSet):
    call = IdFilter(field_name="call_id")
    kind = django_filters.ChoiceFilter(choices=CallDecision.Kind.choices)
    approval = django_filters.ChoiceFilter(choices=FourEyes.Approval.choices)

    class Meta:
        model = CallDecision
        fields: list[str] = []


class _Decisions(DecidedByPeople, BrokerView):
    model = CallDecision
    serializer_class = CallDecisionSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[CallDecision]:
        found = CallDecision.objects.select_related("call__facility__client", "maker", "checker")
        return owned(found, broker, "call__facility__client__broker")


@extend_schema_view(get=extend_schema(operation_id="listCallDecisions", tags=TAGS))
class CallDecisionListView(Listing, _Decisions):
    """Waivers, disputes, deviations and cancellations, newest first."""

    filterset_class = CallDecisionFilter


@extend_schema_view(get=extend_schema(operation_id="getCallDecision", tags=TAGS))
class CallDecisionView(Detail, _Decisions):
    """One decision or proposal."""


@extend_schema_view(post=extend_schema(operation_id="proposeCallDecision", tags=TAGS))
class ProposeDecisionView(DecidedByPeople, Commanding, _Calls):
    """Propose to waive, hold back or take back a call; a dispute takes hold at once."""

    serializer_class = CallDecisionSerializer
    command_serializer_class = ProposeDecisionSerializer
    staff_permissions = {"POST": "margin.add_calldecision"}

    def locate(self) -> MarginCall:
        call: MarginCall = get_object_or_404(self.get_queryset(), pk=self.kwargs["id"])
        return call

    def carry_out(self, target: MarginCall, values: dict[str, Any], *, key: str) -> CallDecision:
        return decisions.propose_decision(call=target, maker=self.person, **values)


class _Deciding(Deciding, _Decisions):
    staff_permissions = {"POST": "margin.change_calldecision"}


@extend_schema_view(post=extend_schema(operation_id="approveCallDecision", tags=TAGS))
class ApproveDecisionView(_Deciding):
    """Carry a proposal out; its maker is refused."""

    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: CallDecision, values: dict[str, Any], *, key: str) -> CallDecision:
        return decisions.approve_decision(target, checker=self.person)


@extend_schema_view(post=extend_schema(operation_id="rejectCallDecision", tags=TAGS))
class RejectDecisionView(_Deciding):
    """Turn a proposal down with a reason; a dispute that is turned down leaves the call as it was."""

    command_serializer_class = RejectSaleSerializer

    def carry_out(self, target: CallDecision, values: dict[str, Any], *, key: str) -> CallDecision:
        return decisions.reject_decision(target, checker=self.person, reason=values["reason"])


@extend_schema_view(post=extend_schema(operation_id="acknowledgeMarginCall", tags=TAGS))
class AcknowledgeCallView(Commanding, _Calls):
    """Keep that the client acknowledged the call; its due time does not move."""

    serializer_class = MarginCallSerializer
    command_serializer_class = AcknowledgeSerializer
    success_status = HTTPStatus.OK
    staff_permissions = {"POST": "margin.change_margincall"}

    def locate(self) -> MarginCall:
        call: MarginCall = get_object_or_404(self.get_queryset(), pk=self.kwargs["id"])
        return call

    def carry_out(self, target: MarginCall, values: dict[str, Any], *, key: str) -> MarginCall:
        return acknowledge(call=target, actor=self.caller.actor, **values)
