"""What trades have to settle, what the clearing house reported of them, and what fails cost."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request

from ledger.core import csv_files
from ledger.core.api.fields import CommandSerializer, StrictDateField, TextField, money_field, quantity_field
from ledger.core.api.views import Deciding, Detail, Listing
from margin.models import Broker, SettlementInstruction, SettlementPenalty, SettlementReport
from margin.sales.instructions import CLIENT_PATH, age_days
from margin.sales.penalties import charge_penalty
from margin.sales.settlement import report_failure, report_settlement
from margin.sales.settlement_files import csv_lines

from .views import BrokerView, owned

TAGS = ["Settlement"]
REFERENCE_HELP = _("The clearing house's own; told again it changes nothing.")


class SettlementReportSerializer(serializers.ModelSerializer[SettlementReport]):
    quantity = quantity_field()
    delivered = quantity_field(help_text=_("In units of the settlement date, after a split."))
    money = money_field()
    net = money_field(help_text=_("The client's part of the money, net of charges."))

    class Meta:
        model = SettlementReport
        fields = [
            "number",
            "reference",
            "outcome",
            "quantity",
            "delivered",
            "money",
            "net",
            "settled_on",
            "reason",
            "source",
            "reported_at",
            "journal",
            "refund_journal",
        ]


class SettlementPenaltySerializer(serializers.ModelSerializer[SettlementPenalty]):
    amount = money_field()

    class Meta:
        model = SettlementPenalty
        fields = ["reference", "kind", "amount", "charged_on", "journal"]


class SettlementInstructionSerializer(serializers.ModelSerializer[SettlementInstruction]):
    client = serializers.CharField(source="fill.order.leg.sale.call.facility.client.number")
    asset = serializers.CharField(source="fill.order.leg.asset.code")
    quantity = quantity_field()
    gross = money_field()
    net = money_field()
    settled_quantity = quantity_field()
    settled_money = money_field()
    settled_net = money_field()
    days_late = serializers.SerializerMethodField(help_text=_("Settlement days since it was due."))
    reports = SettlementReportSerializer(many=True)
    penalties = SettlementPenaltySerializer(many=True)

    class Meta:
        model = SettlementInstruction
        fields = [
            "id",
            "reference",
            "client",
            "fill",
            "asset",
            "status",
            "currency",
            "quantity",
            "gross",
            "net",
            "settled_quantity",
            "settled_money",
            "settled_net",
            "due_on",
            "next_attempt_on",
            "fail_count",
            "days_late",
            "settled_at",
            "reports",
            "penalties",
        ]

    def get_days_late(self, instruction: SettlementInstruction) -> int:
        return age_days(instruction)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A part of a trade",
            request_only=True,
            value={
                "outcome": "settled",
                "quantity": "3000",
                "money": "60000.00",
                "settled_on": "2026-03-27",
                "reference": "CCASS-20260327-0001",
            },
        )
    ]
)
class ReportSettlementSerializer(CommandSerializer):
    outcome = serializers.ChoiceField(choices=SettlementReport.Outcome.choices)
    quantity = quantity_field(required=False, default="0")
    money = money_field(required=False, default="0")
    settled_on = StrictDateField(help_text=_("The settlement day on which it settled or failed."))
    reference = TextField(max_length=80, help_text=REFERENCE_HELP)
    reason = TextField(required=False, default="", allow_blank=True, max_length=200)


class ChargePenaltySerializer(CommandSerializer):
    kind = serializers.ChoiceField(choices=SettlementPenalty.Kind.choices)
    amount = money_field(is_positive=True)
    charged_on = StrictDateField()
    reference = TextField(max_length=80, help_text=REFERENCE_HELP)


class SettlementFilter(django_filters.FilterSet):
    client = django_filters.CharFilter(field_name=f"{CLIENT_PATH}__number")
    asset = django_filters.CharFilter(field_name="fill__order__leg__asset__code")
    status = django_filters.ChoiceFilter(choices=SettlementInstruction.Status.choices)
    is_open = django_filters.BooleanFilter(
        field_name="settled_at", lookup_expr="isnull", help_text=_("Not yet settled in full.")
    )

    class Meta:
        model = SettlementInstruction
        fields: list[str] = []


class _Instructions(BrokerView):
    model = SettlementInstruction
    serializer_class = SettlementInstructionSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[SettlementInstruction]:
        found = SettlementInstruction.objects.select_related("fill__order__leg__asset", CLIENT_PATH)
        return owned(found.prefetch_related("reports", "penalties"), broker, f"{CLIENT_PATH}__broker")


@extend_schema_view(get=extend_schema(operation_id="listSettlementInstructions", tags=TAGS))
class SettlementListView(Listing, _Instructions):
    """What trades have to deliver and receive, newest first."""

    filterset_class = SettlementFilter


@extend_schema_view(get=extend_schema(operation_id="getSettlementInstruction", tags=TAGS))
class SettlementView(Detail, _Instructions):
    """One instruction with its reports and what its fails cost."""


@extend_schema_view(
    get=extend_schema(
        operation_id="downloadSettlementInstructions",
        tags=TAGS,
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
)
class SettlementFileView(_Instructions):
    """The instructions as CSV."""

    pagination_class = None

    def get(self, request: Request, *args: Any, **kwargs: Any) -> StreamingHttpResponse:
        return csv_files.response("settlement-instructions.csv", csv_lines(self.get_queryset()))


@extend_schema_view(post=extend_schema(operation_id="reportSettlement", tags=TAGS))
class ReportSettlementView(Deciding, _Instructions):
    """Report that so much settled, or that nothing did; parts add up to the whole."""

    command_serializer_class = ReportSettlementSerializer
    staff_permissions = {"POST": "margin.add_settlementreport"}

    def carry_out(
        self, target: SettlementInstruction, values: dict[str, Any], *, key: str
    ) -> SettlementInstruction:
        told = {
            "instruction": target,
            "reference": values["reference"],
            "actor": self.caller.actor,
            "source": SettlementReport.Source.API,
        }
        if values["outcome"] == SettlementReport.Outcome.FAILED:
            report_failure(failed_on=values["settled_on"], reason=values["reason"], **told)
        else:
            figures = {name: values[name] for name in ("quantity", "money", "settled_on")}
            report_settlement(**figures, **told)
        done: SettlementInstruction = self.locate()
        return done


@extend_schema_view(post=extend_schema(operation_id="chargeSettlementPenalty", tags=TAGS))
class ChargePenaltyView(Deciding, _Instructions):
    """Book what the clearing house charges the firm for a fail."""

    command_serializer_class = ChargePenaltySerializer
    success_status = HTTPStatus.CREATED
    staff_permissions = {"POST": "margin.add_settlementpenalty"}

    def carry_out(
        self, target: SettlementInstruction, values: dict[str, Any], *, key: str
    ) -> SettlementInstruction:
        charge_penalty(instruction=target, actor=self.caller.actor, **values)
        done: SettlementInstruction = self.locate()
        return done
