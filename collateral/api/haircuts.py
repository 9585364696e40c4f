"""Lending haircuts: read by every firm, proposed and decided by people."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view

from collateral import haircuts
from collateral.models import EntityType, LendingHaircut, Product
from ledger.core.api.fields import EmptyCommandSerializer
from ledger.core.api.views import Commanding, DecidedByPeople, Deciding, Detail, Listing, SharedView
from ledger.core.models import FourEyes

from .serializers import HaircutSerializer, ProposeHaircutSerializer, RejectHaircutSerializer

TAGS = ["Haircuts"]


class HaircutFilter(django_filters.FilterSet):
    asset = django_filters.CharFilter(field_name="asset__code")
    approval = django_filters.ChoiceFilter(choices=FourEyes.Approval.choices)
    entity_type = django_filters.ChoiceFilter(choices=EntityType.choices)
    product = django_filters.ChoiceFilter(choices=Product.choices)

    class Meta:
        model = LendingHaircut
        fields: list[str] = []


class _Haircuts(DecidedByPeople, SharedView):
    model = LendingHaircut
    serializer_class = HaircutSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def get_queryset(self) -> QuerySet[LendingHaircut]:
        return LendingHaircut.objects.select_related("asset", "maker", "checker").prefetch_related("tiers")


@extend_schema_view(
    get=extend_schema(operation_id="listHaircuts", tags=TAGS),
    post=extend_schema(operation_id="proposeHaircut", tags=TAGS),
)
class HaircutListView(Listing, Commanding, _Haircuts):
    """Lending haircuts, newest first; a proposal has no effect until a second person approves it."""

    filterset_class = HaircutFilter
    command_serializer_class = ProposeHaircutSerializer

    def carry_out(self, target: None, values: dict[str, Any], *, key: str) -> LendingHaircut:
        return haircuts.propose_haircut(maker=self.person, **values)


@extend_schema_view(get=extend_schema(operation_id="getHaircut", tags=TAGS))
class HaircutView(Detail, _Haircuts):
    """One haircut or proposal."""


class _Decision(Deciding, _Haircuts):
    staff_permissions = {"POST": "collateral.change_lendinghaircut"}


@extend_schema_view(post=extend_schema(operation_id="approveHaircut", tags=TAGS))
class ApproveHaircutView(_Decision):
    """Put a proposal in force from its day on; its maker is refused."""

    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: LendingHaircut, values: dict[str, Any], *, key: str) -> LendingHaircut:
        return haircuts.approve_haircut(target, checker=self.person)


@extend_schema_view(post=extend_schema(operation_id="rejectHaircut", tags=TAGS))
class RejectHaircutView(_Decision):
    """Send a proposal back with a reason."""

    command_serializer_class = RejectHaircutSerializer

    def carry_out(self, target: LendingHaircut, values: dict[str, Any], *, key: str) -> LendingHaircut:
        return haircuts.reject_haircut(target, checker=self.person, reason=values["reason"])
