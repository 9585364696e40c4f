"""Kill switches over one venue, one asset or one account of a firm."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers

from collateral.models import Instrument
from ledger.core.api.fields import CommandSerializer, EmptyCommandSerializer, TextField
from ledger.core.api.views import Commanding, DecidedByPeople, Deciding, Detail, Listing
from ledger.core.errors import Invalid
from ledger.models import Asset
from margin.models import Broker, Facility, SaleStop
from margin.sales import switch

from .sale_serializers import RejectSaleSerializer
from .views import BrokerView, owned

TAGS = ["Stops of forced sales"]


class StopSerializer(serializers.ModelSerializer[SaleStop]):
    broker = serializers.CharField(source="broker.code")
    asset = serializers.CharField(source="asset.code", allow_null=True, default=None)
    client = serializers.CharField(source="facility.client.number", allow_null=True, default=None)
    lift_asked_by = serializers.CharField(source="lift_asked_by.username", allow_null=True, default=None)
    lifted_by = serializers.CharField(source="lifted_by.username", allow_null=True, default=None)

    class Meta:
        model = SaleStop
        fields = [
            "id",
            "broker",
            "venue",
            "asset",
            "client",
            "reason",
            "put_on_by",
            "put_on_at",
            "lift_reason",
            "lift_asked_by",
            "lift_asked_at",
            "lifted_by",
            "lifted_at",
        ]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One asset", request_only=True, value={"asset": "BTC", "reason": "Price feeds disagree"}
        )
    ]
)
class PutStopSerializer(CommandSerializer):
    """Exactly one of `venue`, `asset` and `client` is named."""

    venue = serializers.ChoiceField(
        choices=Instrument.Venue.choices, required=False, default="", allow_blank=True
    )
    asset = TextField(required=False, default="", allow_blank=True, max_length=16)
    client = TextField(required=False, default="", allow_blank=True, max_length=40)
    reason = TextField(max_length=500)


class _Stops(BrokerView):
    model = SaleStop
    serializer_class = StopSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[SaleStop]:
        rows = SaleStop.objects.select_related(
            "broker", "asset", "facility__client", "lift_asked_by", "lifted_by"
        )
        return owned(rows, broker, "broker")


@extend_schema_view(
    get=extend_schema(operation_id="listSaleStops", tags=TAGS),
    post=extend_schema(operation_id="putSaleStop", tags=TAGS),
)
class StopListView(Listing, Commanding, _Stops):
    """Stops, newest first; a stop holds from the moment it is put on."""

    command_serializer_class = PutStopSerializer

    def locate(self) -> Broker:
        return self.broker_required()

    def carry_out(self, target: Broker, values: dict[str, Any], *, key: str) -> SaleStop:
        asset = Asset.objects.filter(code=values["asset"]).first() if values["asset"] else None
        if values["asset"] and asset is None:
            raise Invalid(_("There is no such asset."), field="asset", code="unknown_asset")
        facilities = Facility.objects.select_related("client").filter(client__broker=target)
        account = facilities.filter(client__number=values["client"]).first() if values["client"] else None
        if values["client"] and account is None:
            raise Invalid(_("There is no such account."), field="client", code="unknown_account")
        return switch.put_stop(
            broker=target,
            venue=values["venue"],
            asset=asset,
            facility=account,
            reason=values["reason"],
            actor=self.caller.actor,
        )


@extend_schema_view(get=extend_schema(operation_id="getSaleStop", tags=TAGS))
class StopView(Detail, _Stops):
    """One stop and who put it on and lifted it."""


class _Lifting(DecidedByPeople, Deciding, _Stops):
    staff_permissions = {"POST": "margin.change_salestop"}


@extend_schema_view(post=extend_schema(operation_id="askToLiftSaleStop", tags=TAGS))
class AskToLiftView(_Lifting):
    """Ask for a stop to be lifted, as the first of two people."""

    command_serializer_class = RejectSaleSerializer

    def carry_out(self, target: SaleStop, values: dict[str, Any], *, key: str) -> SaleStop:
        return switch.ask_to_lift(stop=target, person=self.person, reason=values["reason"])


@extend_schema_view(post=extend_schema(operation_id="liftSaleStop", tags=TAGS))
class LiftStopView(_Lifting):
    """Lift a stop, as the second of two people; whoever asked is refused."""

    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: SaleStop, values: dict[str, Any], *, key: str) -> SaleStop:
        return switch.lift_stop(stop=target, person=self.person)
