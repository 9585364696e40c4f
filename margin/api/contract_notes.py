"""Contract notes as data and on paper, their correction, and what is still due to clients."""

from __future__ import annotations

import json
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.core.api.fields import CommandSerializer, StrictDateField, TextField, money_field, quantity_field
from ledger.core.api.views import Deciding, Detail, Listing
from margin.contract_notes.deadlines import alerts
from margin.contract_notes.files import paper_response
from margin.contract_notes.issuing import correct_note, record_handover
from margin.models import Broker, ContractNote
from margin.models.contract_note import CHANNEL_CHOICES

from .views import BrokerView, owned

TAGS = ["Contract notes"]


class ContractNoteSerializer(serializers.ModelSerializer[ContractNote]):
    reference = serializers.CharField()
    client = serializers.CharField(source="client.number")
    asset = serializers.CharField(source="asset.code")
    corrects = serializers.CharField(source="corrects.reference", allow_null=True, default=None)
    is_in_force = serializers.BooleanField(help_text=_("False once a later version corrects it."))
    quantity = quantity_field()
    gross = money_field()
    fees_total = money_field()
    net = money_field()

    class Meta:
        model = ContractNote
        fields = [
            "id",
            "reference",
            "version",
            "corrects",
            "reason",
            "is_in_force",
            "client",
            "asset",
            "side",
            "traded_on",
            "currency",
            "quantity",
            "gross",
            "fees_total",
            "net",
            "due_on",
            "issued_at",
            "language",
            "content_hash",
            "document_hash",
        ]


class ContractNoteDetailSerializer(ContractNoteSerializer):
    content = serializers.SerializerMethodField(
        help_text=_("What the note says; its hash is of the same with keys in order and no blanks.")
    )

    class Meta(ContractNoteSerializer.Meta):
        fields = [*ContractNoteSerializer.Meta.fields, "content"]

    def get_content(self, note: ContractNote) -> dict[str, Any]:
        words: dict[str, Any] = json.loads(note.content)
        return words


class CorrectNoteSerializer(CommandSerializer):
    reason = TextField(max_length=200)


class HandOverSerializer(CommandSerializer):
    channel = serializers.ChoiceField(choices=CHANNEL_CHOICES)
    handed_on = StrictDateField()


class NoteAlertSerializer(serializers.Serializer[Any]):
    """Sales that a client has no contract note of."""

    client = serializers.CharField(source="client.number")
    asset = serializers.CharField()
    traded_on = serializers.DateField()
    due_on = serializers.DateField(help_text=_("The second business day after the trade."))
    what = serializers.ChoiceField(choices=[("not_issued", "not_issued"), ("not_given", "not_given")])
    is_late = serializers.BooleanField()
    note = serializers.CharField(source="note.reference", allow_null=True, default=None)


class NoteAlertsSerializer(serializers.Serializer[Any]):
    results = NoteAlertSerializer(many=True)


class ContractNoteFilter(django_filters.FilterSet):
    client = django_filters.CharFilter(field_name="client__number")
    asset = django_filters.CharFilter(field_name="asset__code")
    is_in_force = django_filters.BooleanFilter(field_name="corrected_by", lookup_expr="isnull")

    class Meta:
        model = ContractNote
        fields: list[str] = []


class _Notes(BrokerView):
    model = ContractNote
    serializer_class: type[ContractNoteSerializer] = ContractNoteSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[ContractNote]:
        found = ContractNote.objects.select_related("client", "asset", "corrects", "corrected_by")
        return owned(found.defer("document"), broker, "broker")


@extend_schema_view(get=extend_schema(operation_id="listContractNotes", tags=TAGS))
class ContractNoteListView(Listing, _Notes):
    """Contract notes and their corrections, newest first."""

    filterset_class = ContractNoteFilter

    def for_broker(self, broker: Broker | None) -> QuerySet[ContractNote]:
        return super().for_broker(broker).defer("content")


@extend_schema_view(get=extend_schema(operation_id="getContractNote", tags=TAGS))
class ContractNoteView(Detail, _Notes):
    """One contract note and what it says."""

    serializer_class = ContractNoteDetailSerializer


@extend_schema_view(
    get=extend_schema(
        operation_id="getContractNotePdf",
        tags=TAGS,
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
)
class ContractNotePdfView(Detail, _Notes):
    """The paper as it was issued."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        return paper_response(self.get_object())


@extend_schema_view(post=extend_schema(operation_id="correctContractNote", tags=TAGS))
class CorrectNoteView(Deciding, _Notes):
    """Issue the next version of a note from the records as they stand."""

    command_serializer_class = CorrectNoteSerializer
    staff_permissions = {"POST": "margin.add_contractnote"}

    def carry_out(self, target: ContractNote, values: dict[str, Any], *, key: str) -> ContractNote:
        return correct_note(note=target, actor=self.caller.actor, **values)


@extend_schema_view(post=extend_schema(operation_id="handOverContractNote", tags=TAGS))
class HandOverNoteView(Deciding, _Notes):
    """Keep that the note was given to its client by hand, by post or through a portal."""

    command_serializer_class = HandOverSerializer
    staff_permissions = {"POST": "margin.add_contractnotehandover"}

    def carry_out(self, target: ContractNote, values: dict[str, Any], *, key: str) -> ContractNote:
        record_handover(note=target, actor=self.caller.actor, **values)
        return target


@extend_schema_view(
    get=extend_schema(
        operation_id="listContractNoteAlerts", tags=TAGS, responses=NoteAlertsSerializer, filters=False
    )
)
class NoteAlertView(Detail, _Notes):
    """What is still to be issued or given, the earliest due first; what is late is marked."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(NoteAlertsSerializer({"results": alerts(self.caller.broker)}).data)
