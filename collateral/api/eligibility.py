"""Eligibility: read by every firm, proposed and decided by people."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from collateral import eligibility
from collateral.models import Eligibility, EntityType, Product
from ledger.core.api.fields import CommandSerializer, EmptyCommandSerializer, StrictDateField, TextField
from ledger.core.api.views import Commanding, DecidedByPeople, Deciding, Detail, Listing, SharedView
from ledger.core.models import FourEyes

from .fields import MomentField
from .serializers import RejectHaircutSerializer

TAGS = ["Eligibility"]


class EligibilitySerializer(serializers.ModelSerializer[Eligibility]):
    asset = serializers.CharField(source="asset.code")
    maker = serializers.CharField(source="maker.username")
    made_at = MomentField()
    checker = serializers.CharField(source="checker.username", allow_null=True, default=None)
    checked_at = MomentField(allow_null=True)

    class Meta:
        model = Eligibility
        fields = [
            "id",
            "asset",
            "entity_type",
            "product",
            "is_accepted",
            "valid_from",
            "approval",
            "maker",
            "made_at",
            "checker",
            "checked_at",
            "reason",
        ]


class ProposeEligibilitySerializer(CommandSerializer):
    asset = TextField(max_length=16, help_text=_("Code of the asset."))
    is_accepted = serializers.BooleanField(help_text=_("False excludes the asset: it counts for nothing."))
    valid_from = StrictDateField(help_text=_("Not before today where the answer of that day would change."))
    entity_type = serializers.ChoiceField(choices=EntityType.choices, default=EntityType.LICENSED_CORPORATION)
    product = serializers.ChoiceField(choices=Product.choices, default=Product.MARGIN_LOAN)
    reason = TextField(required=False, default="", allow_blank=True, max_length=500)


class EligibilityFilter(django_filters.FilterSet):
    asset = django_filters.CharFilter(field_name="asset__code")
    approval = django_filters.ChoiceFilter(choices=FourEyes.Approval.choices)
    entity_type = django_filters.ChoiceFilter(choices=EntityType.choices)
    product = django_filters.ChoiceFilter(choices=Product.choices)

    class Meta:
        model = Eligibility
        fields: list[str] = []


class _Eligibilities(DecidedByPeople, SharedView):
    model = Eligibility
    serializer_class = EligibilitySerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def get_queryset(self) -> QuerySet[Eligibility]:
        return Eligibility.objects.select_related("asset", "maker", "checker")


@extend_schema_view(
    get=extend_schema(operation_id="listEligibilities", tags=TAGS),
    post=extend_schema(operation_id="proposeEligibility", tags=TAGS),
)
class EligibilityListView(Listing, Commanding, _Eligibilities):
    """What the house accepts and excludes, newest first; an asset without a row is left to the rules."""

    filterset_class = EligibilityFilter
    command_serializer_class = ProposeEligibilitySerializer

    def carry_out(self, target: None, values: dict[str, Any], *, key: str) -> Eligibility:
        return eligibility.propose_eligibility(maker=self.person, **values)


@extend_schema_view(get=extend_schema(operation_id="getEligibility", tags=TAGS))
class EligibilityView(Detail, _Eligibilities):
    """One decision or proposal."""


class _Decision(Deciding, _Eligibilities):
    staff_permissions = {"POST": "collateral.change_eligibility"}


@extend_schema_view(post=extend_schema(operation_id="approveEligibility", tags=TAGS))
class ApproveEligibilityView(_Decision):
    """Put a proposal in force from its day on; its maker is refused."""

    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: Eligibility, values: dict[str, Any], *, key: str) -> Eligibility:
        return eligibility.approve_eligibility(target, checker=self.person)


@extend_schema_view(post=extend_schema(operation_id="rejectEligibility", tags=TAGS))
class RejectEligibilityView(_Decision):
    """Send a proposal back with a reason."""

    command_serializer_class = RejectHaircutSerializer

    def carry_out(self, target: Eligibility, values: dict[str, Any], *, key: str) -> Eligibility:
        return eligibility.reject_eligibility(target, checker=self.person, reason=values["reason"])
