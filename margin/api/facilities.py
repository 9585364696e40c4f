"""Facilities, drawdown and repayment."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import get_object_or_404

from ledger.core.api.views import Commanding, Detail, Listing, ScopedView
from ledger.core.errors import Invalid
from margin import clients, lending
from margin.models import Broker, Client, Facility, LoanMovement

from .serializers import (
    DrawdownSerializer,
    FacilityDetailSerializer,
    FacilitySerializer,
    LoanMovementSerializer,
    OpenFacilitySerializer,
    RepaymentSerializer,
)
from .views import BrokerView, owned

TAGS = ["Facilities"]


def facilities_of(broker: Broker | None) -> QuerySet[Facility]:
    """Return a firm's facilities with their client, broker and book."""
    return owned(Facility.objects.select_related("client__broker__book"), broker, "client__broker")


class FacilityFilter(django_filters.FilterSet):
    client = django_filters.CharFilter(field_name="client__number")

    class Meta:
        model = Facility
        fields: list[str] = []


@extend_schema_view(
    get=extend_schema(operation_id="listFacilities", tags=TAGS),
    post=extend_schema(operation_id="openFacility", tags=TAGS),
)
class FacilityListView(Listing, Commanding, BrokerView):
    """Margin loan agreements of the firm, one for each client."""

    model = Facility
    serializer_class = FacilitySerializer
    reply_serializer_class = FacilityDetailSerializer
    command_serializer_class = OpenFacilitySerializer
    filterset_class = FacilityFilter

    def for_broker(self, broker: Broker | None) -> QuerySet[Facility]:
        return facilities_of(broker)

    def locate(self) -> Broker:
        return self.broker_required()

    def carry_out(self, target: Broker, values: dict[str, Any], *, key: str) -> Facility:
        number = values.pop("client")
        client = Client.objects.select_related("broker__book").filter(broker=target, number=number).first()
        if client is None:
            raise Invalid(
                _("There is no client %(number)s.") % {"number": number},
                field="client",
                code="unknown_client",
            )
        return clients.open_facility(client=client, actor=self.caller.actor, **values)


@extend_schema_view(get=extend_schema(operation_id="getFacility", tags=TAGS))
class FacilityView(Detail, BrokerView):
    """One facility: its limit, and its loan and headroom as of now."""

    model = Facility
    serializer_class = FacilityDetailSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[Facility]:
        return facilities_of(broker)


class OfFacility(ScopedView):
    """Rows that belong to the facility of the address."""

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        self.locate()
        return super().filter_queryset(queryset)

    def locate(self) -> Facility:
        facility: Facility = get_object_or_404(facilities_of(self.caller.broker), pk=self.kwargs["id"])
        return facility


class _LoanMovements(OfFacility, Listing, Commanding, BrokerView):
    model = LoanMovement
    serializer_class = LoanMovementSerializer
    kind: LoanMovement.Kind

    def for_broker(self, broker: Broker | None) -> QuerySet[LoanMovement]:
        movements = LoanMovement.objects.select_related("facility__client").filter(kind=self.kind)
        return owned(movements, broker, "facility__client__broker").filter(facility=self.kwargs["id"])


@extend_schema_view(
    get=extend_schema(operation_id="listDrawdowns", tags=TAGS),
    post=extend_schema(operation_id="drawDown", tags=TAGS),
)
class DrawdownView(_LoanMovements):
    """Advances under a facility; refused beyond what collateral, limit and rules allow."""

    kind = LoanMovement.Kind.DRAWDOWN
    command_serializer_class = DrawdownSerializer

    def carry_out(self, target: Facility, values: dict[str, Any], *, key: str) -> LoanMovement:
        return lending.drawdown(facility=target, key=key, actor=self.caller.actor, **values)


@extend_schema_view(
    get=extend_schema(operation_id="listRepayments", tags=TAGS),
    post=extend_schema(operation_id="repay", tags=TAGS),
)
class RepaymentView(_LoanMovements):
    """Repayments from the client's cash: booked interest first, then principal. Never stopped."""

    kind = LoanMovement.Kind.REPAYMENT
    command_serializer_class = RepaymentSerializer

    def carry_out(self, target: Facility, values: dict[str, Any], *, key: str) -> LoanMovement:
        return lending.repay(facility=target, key=key, actor=self.caller.actor, **values)
