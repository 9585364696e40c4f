"""Regulatory-capital haircuts: read by every firm, proposed and decided by people."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from collateral import capital
from collateral.models import CapitalHaircut
from ledger.core.api.fields import (
    CommandSerializer,
    EmptyCommandSerializer,
    NumberTextField,
    StrictDateField,
    TextField,
    rate_field,
)
from ledger.core.api.views import Commanding, DecidedByPeople, Deciding, Detail, Listing, SharedView

from .fields import MomentField
from .serializers import RejectHaircutSerializer

TAGS = ["Capital haircuts"]


class CapitalHaircutSerializer(serializers.ModelSerializer[CapitalHaircut]):
    asset = serializers.CharField(source="asset.code")
    deduction = rate_field()
    maker = serializers.CharField(source="maker.username")
    made_at = MomentField()
    checker = serializers.CharField(source="checker.username", allow_null=True, default=None)
    checked_at = MomentField(allow_null=True)

    class Meta:
        model = CapitalHaircut
        fields = [
            "id",
            "asset",
            "deduction",
            "valid_from",
            "approval",
            "maker",
            "made_at",
            "checker",
            "checked_at",
            "reason",
        ]


class ProposeCapitalHaircutSerializer(CommandSerializer):
    asset = TextField(max_length=16, help_text=_("Code of the asset."))
    deduction = NumberTextField(help_text=_('A fraction as a string: "1" counts nothing.'))
    valid_from = StrictDateField(help_text=_("Not before today once the asset has one."))
    reason = TextField(required=False, default="", allow_blank=True, max_length=500)


class _CapitalHaircuts(DecidedByPeople, SharedView):
    model = CapitalHaircut
    serializer_class = CapitalHaircutSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def get_queryset(self) -> QuerySet[CapitalHaircut]:
        return CapitalHaircut.objects.select_related("asset", "maker", "checker")


@extend_schema_view(
    get=extend_schema(operation_id="listCapitalHaircuts", tags=TAGS),
    post=extend_schema(operation_id="proposeCapitalHaircut", tags=TAGS),
)
class CapitalHaircutListView(Listing, Commanding, _CapitalHaircuts):
    """Capital haircuts, newest first; a proposal has no effect until a second person approves it."""

    command_serializer_class = ProposeCapitalHaircutSerializer

    def carry_out(self, target: None, values: dict[str, Any], *, key: str) -> CapitalHaircut:
        return capital.propose_deduction(maker=self.person, **values)


@extend_schema_view(get=extend_schema(operation_id="getCapitalHaircut", tags=TAGS))
class CapitalHaircutView(Detail, _CapitalHaircuts):
    """One capital haircut or proposal."""


class _Decision(Deciding, _CapitalHaircuts):
    staff_permissions = {"POST": "collateral.change_capitalhaircut"}


@extend_schema_view(post=extend_schema(operation_id="approveCapitalHaircut", tags=TAGS))
class ApproveCapitalHaircutView(_Decision):
    """Put a proposal in force from its day on; its maker is refused."""

    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: CapitalHaircut, values: dict[str, Any], *, key: str) -> CapitalHaircut:
        return capital.approve_deduction(target, checker=self.person)


@extend_schema_view(post=extend_schema(operation_id="rejectCapitalHaircut", tags=TAGS))
class RejectCapitalHaircutView(_Decision):
    """Send a proposal back with a reason."""

    command_serializer_class = RejectHaircutSerializer

    def carry_out(self, target: CapitalHaircut, values: dict[str, Any], *, key: str) -> CapitalHaircut:
        return capital.reject_deduction(target, checker=self.person, reason=values["reason"])
