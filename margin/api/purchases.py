"""The stop on purchases by under-margined clients, asked before each order."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers

from ledger.core.api.fields import CommandSerializer, TextField, money_field, quantity_field
from ledger.core.api.views import Commanding, Listing
from margin.models import Broker, Facility, PurchaseCheck
from margin.purchases import ask_to_purchase

from .facilities import TAGS, OfFacility
from .ratios import UTILISATION_HELP, ratio_field
from .views import BrokerView, owned


class PurchaseCheckSerializer(serializers.ModelSerializer[PurchaseCheck]):
    client = serializers.CharField(source="facility.client.number")
    asset = serializers.CharField(source="asset.code")
    quantity = quantity_field()
    amount = money_field()
    utilisation_before = ratio_field(help_text=UTILISATION_HELP)
    utilisation_after = ratio_field(help_text=UTILISATION_HELP)

    class Meta:
        model = PurchaseCheck
        fields = [
            "id",
            "client",
            "facility",
            "asset",
            "quantity",
            "amount",
            "is_allowed",
            "reason_code",
            "utilisation_before",
            "utilisation_after",
            "checked_at",
        ]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A board lot of HSBC",
            request_only=True,
            value={"asset": "00005", "quantity": "400", "amount": "39500.00"},
        )
    ]
)
class AskToPurchaseSerializer(CommandSerializer):
    asset = TextField(max_length=16)
    quantity = quantity_field(is_positive=True)
    amount = money_field(is_positive=True, help_text=_("What it costs, all charges included."))


@extend_schema_view(
    get=extend_schema(operation_id="listPurchaseChecks", tags=TAGS),
    post=extend_schema(operation_id="checkPurchase", tags=TAGS),
)
class PurchaseCheckView(OfFacility, Listing, Commanding, BrokerView):
    """May this client buy? Asked before each purchase: an under-margined client may not, call or no call."""

    model = PurchaseCheck
    serializer_class = PurchaseCheckSerializer
    command_serializer_class = AskToPurchaseSerializer

    def for_broker(self, broker: Broker | None) -> QuerySet[PurchaseCheck]:
        checks = PurchaseCheck.objects.select_related("facility__client", "asset")
        return owned(checks, broker, "facility__client__broker").filter(facility=self.kwargs["id"])

    def carry_out(self, target: Facility, values: dict[str, Any], *, key: str) -> PurchaseCheck:
        return ask_to_purchase(facility=target, key=key, actor=self.caller.actor, **values)
