"""Concentration caps, proposed and decided by people, and the client groups that some of them span."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
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
from margin import caps, groups
from margin.models import Broker, Client, ClientGroup, CollateralCap

from .sale_serializers import RejectSaleSerializer
from .serializers import ClientSerializer
from .views import BrokerView, ClientCommandView, owned

CAPS = ["Collateral caps"]
GROUPS = ["Client groups"]
SHARE_HELP = _("A fraction of uncapped margin value: 0.40 is 40%. Null for a cap by amount.")


class CapSerializer(serializers.ModelSerializer[CollateralCap]):
    broker = serializers.CharField(source="broker.code")
    asset = serializers.CharField(source="asset.code", allow_null=True, default=None)
    share = rate_field(allow_null=True, help_text=SHARE_HELP)
    amount = money_field(allow_null=True)
    maker = serializers.CharField(source="maker.username")
    checker = serializers.CharField(source="checker.username", allow_null=True, default=None)

    class Meta:
        model = CollateralCap
        fields = [
            "id",
            "broker",
            "scope",
            "measure",
            "asset",
            "share",
            "amount",
            "valid_from",
            "reason",
            "approval",
            "maker",
            "made_at",
            "checker",
            "checked_at",
        ]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Virtual assets up to half of securities",
            request_only=True,
            value={
                "scope": "account",
                "measure": "virtual_assets",
                "share": "0.50",
                "valid_from": "2026-06-01",
                "reason": "Risk committee",
            },
        )
    ]
)
class ProposeCapSerializer(CommandSerializer):
    scope = serializers.ChoiceField(choices=CollateralCap.Scope.choices)
    measure = serializers.ChoiceField(choices=CollateralCap.Measure.choices)
    asset = TextField(
        required=False,
        default="",
        allow_blank=True,
        max_length=16,
        help_text=_("Code of the asset; left out, the cap holds for each."),
    )
    share = rate_field(required=False, allow_null=True, default=None, help_text=SHARE_HELP)
    amount = money_field(required=False, allow_null=True, default=None)
    valid_from = StrictDateField(help_text=_("Not before today once such a cap is in force."))
    reason = TextField(max_length=500)


class _Caps(DecidedByPeople, BrokerView):
    model = CollateralCap
    serializer_class = CapSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[CollateralCap]:
        found = CollateralCap.objects.select_related("broker", "asset", "maker", "checker")
        return owned(found, broker, "broker")


@extend_schema_view(
    get=extend_schema(operation_id="listCollateralCaps", tags=CAPS),
    post=extend_schema(operation_id="proposeCollateralCap", tags=CAPS),
)
class CapListView(Listing, Commanding, _Caps):
    """Concentration caps, newest first; a proposal has no effect until a second person approves it."""

    command_serializer_class = ProposeCapSerializer

    def locate(self) -> Broker:
        return self.broker_required()

    def carry_out(self, target: Broker, values: dict[str, Any], *, key: str) -> CollateralCap:
        return caps.propose_cap(broker=target, maker=self.person, **values)


@extend_schema_view(get=extend_schema(operation_id="getCollateralCap", tags=CAPS))
class CapView(Detail, _Caps):
    """One cap or proposal."""


class _Decision(Deciding, _Caps):
    staff_permissions = {"POST": "margin.change_collateralcap"}


@extend_schema_view(post=extend_schema(operation_id="approveCollateralCap", tags=CAPS))
class ApproveCapView(_Decision):
    """Put a proposal in force from its day on; its maker is refused."""

    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: CollateralCap, values: dict[str, Any], *, key: str) -> CollateralCap:
        return caps.approve_cap(target, checker=self.person)


@extend_schema_view(post=extend_schema(operation_id="rejectCollateralCap", tags=CAPS))
class RejectCapView(_Decision):
    """Send a proposal back with a reason."""

    command_serializer_class = RejectSaleSerializer

    def carry_out(self, target: CollateralCap, values: dict[str, Any], *, key: str) -> CollateralCap:
        return caps.reject_cap(target, checker=self.person, reason=values["reason"])


class ClientGroupSerializer(serializers.ModelSerializer[ClientGroup]):
    broker = serializers.CharField(source="broker.code")
    clients: serializers.ManyRelatedField = serializers.SlugRelatedField(  # type: ignore[assignment]
        many=True, read_only=True, slug_field="number", help_text=_("Numbers of its members.")
    )

    class Meta:
        model = ClientGroup
        fields = ["id", "broker", "name", "clients"]


class OpenGroupSerializer(CommandSerializer):
    name = TextField(max_length=120)


class SetGroupSerializer(CommandSerializer):
    group = TextField(
        max_length=120, allow_blank=True, help_text=_("Name of the group; empty takes the client out.")
    )


@extend_schema_view(
    get=extend_schema(operation_id="listClientGroups", tags=GROUPS),
    post=extend_schema(operation_id="openClientGroup", tags=GROUPS),
)
class ClientGroupListView(Listing, Commanding, BrokerView):
    """Clients who are one risk, and whom group caps take together."""

    model = ClientGroup
    serializer_class = ClientGroupSerializer
    command_serializer_class = OpenGroupSerializer

    def for_broker(self, broker: Broker | None) -> QuerySet[ClientGroup]:
        return owned(
            ClientGroup.objects.select_related("broker").prefetch_related("clients"), broker, "broker"
        )

    def locate(self) -> Broker:
        return self.broker_required()

    def carry_out(self, target: Broker, values: dict[str, Any], *, key: str) -> ClientGroup:
        return groups.open_group(broker=target, actor=self.caller.actor, **values)


@extend_schema_view(post=extend_schema(operation_id="setClientGroup", tags=GROUPS))
class SetClientGroupView(ClientCommandView):
    """Put a client in a group of the firm, or take it out of the one it is in."""

    model = Client
    serializer_class = ClientSerializer
    command_serializer_class = SetGroupSerializer
    success_status = HTTPStatus.OK
    staff_permissions = {"POST": "margin.change_client"}

    def carry_out(self, target: Client, values: dict[str, Any], *, key: str) -> Client:
        return groups.set_group(client=target, group=values["group"], actor=self.caller.actor)
