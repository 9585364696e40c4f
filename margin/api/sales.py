"""Forced sales: the plan, its release by two people, its orders and fills."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

import django_filters
from django.contrib.auth.models import User
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import get_object_or_404

from ledger.core.api.fields import EmptyCommandSerializer
from ledger.core.api.filters import IdFilter
from ledger.core.api.views import Commanding, Detail, Listing
from margin.models import Broker, ForcedSale
from margin.sales import release

from .sale_serializers import (
    ApproveSaleSerializer,
    ForcedSaleDetailSerializer,
    ForcedSaleSerializer,
    RejectSaleSerializer,
)
from .views import BrokerView, owned

TAGS = ["Forced sales"]


class ForcedSaleFilter(django_filters.FilterSet):
    client = django_filters.CharFilter(field_name="call__facility__client__number")
    call = IdFilter(field_name="call_id")
    status = django_filters.ChoiceFilter(choices=ForcedSale.Status.choices)

    class Meta:
        model = ForcedSale
        fields: list[str] = []


class _Sales(BrokerView):
    model = ForcedSale
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[ForcedSale]:
        sales = ForcedSale.objects.select_related("call__facility__client", "maker", "checker")
        return owned(sales, broker, "call__facility__client__broker")


@extend_schema_view(get=extend_schema(operation_id="listForcedSales", tags=TAGS))
class ForcedSaleListView(Listing, _Sales):
    """Forced sales, newest first."""

    serializer_class = ForcedSaleSerializer
    filterset_class = ForcedSaleFilter


@extend_schema_view(get=extend_schema(operation_id="getForcedSale", tags=TAGS))
class ForcedSaleView(Detail, _Sales):
    """One forced sale with its legs, their orders and their fills."""

    serializer_class = ForcedSaleDetailSerializer

    def for_broker(self, broker: Broker | None) -> QuerySet[ForcedSale]:
        return super().for_broker(broker).prefetch_related("legs__asset", "legs__orders__fills")


class _Decision(Commanding, _Sales):
    """What only a person may do; a broker's system is refused with `needs_a_person`."""

    serializer_class = ForcedSaleDetailSerializer
    success_status = HTTPStatus.OK
    needs_a_person = True
    staff_permissions = {"POST": "margin.change_forcedsale"}

    @property
    def person(self) -> User:
        return cast(User, self.caller.user)

    def locate(self) -> ForcedSale:
        sale: ForcedSale = get_object_or_404(self.get_queryset(), pk=self.kwargs["id"])
        return sale


@extend_schema_view(post=extend_schema(operation_id="submitForcedSale", tags=TAGS))
class SubmitSaleView(_Decision):
    """Put a plan before a checker, as its maker."""

    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: ForcedSale, values: dict[str, Any], *, key: str) -> ForcedSale:
        return release.submit_for_release(sale=target, maker=self.person)


@extend_schema_view(post=extend_schema(operation_id="approveForcedSale", tags=TAGS))
class ApproveSaleView(_Decision):
    """Release the plan of this hash; the maker is refused."""

    command_serializer_class = ApproveSaleSerializer

    def carry_out(self, target: ForcedSale, values: dict[str, Any], *, key: str) -> ForcedSale:
        return release.approve_sale(sale=target, checker=self.person, plan_hash=values["plan_hash"])


@extend_schema_view(post=extend_schema(operation_id="rejectForcedSale", tags=TAGS))
class RejectSaleView(_Decision):
    """Send the plan back with a reason."""

    command_serializer_class = RejectSaleSerializer

    def carry_out(self, target: ForcedSale, values: dict[str, Any], *, key: str) -> ForcedSale:
        return release.reject_sale(sale=target, checker=self.person, reason=values["reason"])
