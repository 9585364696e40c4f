"""Clients, and what moves in and out of their hands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view

from ledger.core.api.views import Commanding, Detail, Listing
from ledger.models import Journal
from margin import clients, custody
from margin.models import Broker, Client

from .serializers import (
    CashMovementSerializer,
    ClientSerializer,
    CollateralMovementSerializer,
    MovementSerializer,
    OpenClientSerializer,
)
from .views import BrokerView, ClientCommandView, owned

TAGS = ["Clients"]


class ClientFilter(django_filters.FilterSet):
    number = django_filters.CharFilter()

    class Meta:
        model = Client
        fields: list[str] = []


class _Clients(BrokerView):
    model = Client
    serializer_class = ClientSerializer

    def for_broker(self, broker: Broker | None) -> QuerySet[Client]:
        return owned(Client.objects.select_related("broker", "facility", "group"), broker, "broker")


@extend_schema_view(
    get=extend_schema(operation_id="listClients", tags=TAGS),
    post=extend_schema(operation_id="openClient", tags=TAGS),
)
class ClientListView(Listing, Commanding, _Clients):
    """The firm's clients."""

    filterset_class = ClientFilter
    command_serializer_class = OpenClientSerializer

    def locate(self) -> Broker:
        return self.broker_required()

    def carry_out(self, target: Broker, values: dict[str, Any], *, key: str) -> Client:
        return clients.open_client(broker=target, actor=self.caller.actor, **values)


@extend_schema_view(get=extend_schema(operation_id="getClient", tags=TAGS))
class ClientView(Detail, _Clients):
    """One client, by the number the firm gave it."""

    lookup_field = "number"

    def get_object(self) -> Any:
        self.broker_required()
        return super().get_object()


class _Movement(ClientCommandView):
    """A movement that a service of `margin.custody` books."""

    model = Journal
    serializer_class = MovementSerializer
    staff_permissions = {"POST": "margin.add_loanmovement"}
    service: Callable[..., custody.Movement]

    def carry_out(self, target: Client, values: dict[str, Any], *, key: str) -> Journal:
        movement = type(self).service(client=target, key=key, actor=self.caller.actor, **values)
        return Journal.objects.with_entries().get(pk=movement.journal_id)


@extend_schema_view(post=extend_schema(operation_id="depositCollateral", tags=["Collateral movements"]))
class CollateralDepositView(_Movement):
    """Book securities or virtual assets received for a client. Never stopped."""

    command_serializer_class = CollateralMovementSerializer
    service = staticmethod(custody.deposit_collateral)


@extend_schema_view(post=extend_schema(operation_id="withdrawCollateral", tags=["Collateral movements"]))
class CollateralWithdrawalView(_Movement):
    """Book collateral delivered to a client; refused where the loan would not be covered afterwards."""

    command_serializer_class = CollateralMovementSerializer
    service = staticmethod(custody.withdraw_collateral)


@extend_schema_view(post=extend_schema(operation_id="depositCash", tags=["Cash movements"]))
class CashDepositView(_Movement):
    """Book money received from a client; it counts against the loan at once. Never stopped."""

    command_serializer_class = CashMovementSerializer
    service = staticmethod(custody.deposit_cash)


@extend_schema_view(post=extend_schema(operation_id="withdrawCash", tags=["Cash movements"]))
class CashWithdrawalView(_Movement):
    """Pay money out to a client; refused where the loan would not be covered afterwards."""

    command_serializer_class = CashMovementSerializer
    service = staticmethod(custody.withdraw_cash)
