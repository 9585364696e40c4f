"""Notices to clients, and what a provider says became of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import get_object_or_404

from ledger.core.api.fields import CommandSerializer, TextField
from ledger.core.api.filters import IdFilter
from ledger.core.api.views import Commanding, Detail, Listing
from margin.models import Broker, Notice, NoticeKind
from margin.notices.relay import report

from .views import BrokerView, owned

TAGS = ["Notices"]


class NoticeSerializer(serializers.ModelSerializer[Notice]):
    client = serializers.CharField(source="call.facility.client.number")

    class Meta:
        model = Notice
        fields = [
            "id",
            "call",
            "client",
            "kind",
            "version",
            "number",
            "channel",
            "language",
            "recipient",
            "template_version",
            "subject",
            "status",
            "attempts",
            "created_at",
            "sent_at",
            "delivered_at",
            "failed_at",
            "acknowledged_at",
            "escalated_at",
            "error",
        ]


class ReportNoticeSerializer(CommandSerializer):
    is_delivered = serializers.BooleanField()
    detail = TextField(required=False, default="", allow_blank=True, max_length=300)


class NoticeFilter(django_filters.FilterSet):
    call = IdFilter(field_name="call_id")
    status = django_filters.ChoiceFilter(choices=Notice.Status.choices)
    kind = django_filters.ChoiceFilter(choices=NoticeKind.choices)
    channel = django_filters.ChoiceFilter(choices=Notice.Channel.choices)
    is_escalated = django_filters.BooleanFilter(
        field_name="escalated_at", lookup_expr="isnull", exclude=True, help_text=_("The staff was told.")
    )

    class Meta:
        model = Notice
        fields: list[str] = []


class _Notices(BrokerView):
    model = Notice
    serializer_class = NoticeSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_broker(self, broker: Broker | None) -> QuerySet[Notice]:
        found = Notice.objects.select_related("call__facility__client")
        return owned(found, broker, "call__facility__client__broker")


@extend_schema_view(get=extend_schema(operation_id="listNotices", tags=TAGS))
class NoticeListView(Listing, _Notices):
    """Notices to clients, newest first."""

    filterset_class = NoticeFilter


@extend_schema_view(get=extend_schema(operation_id="getNotice", tags=TAGS))
class NoticeView(Detail, _Notices):
    """One notice and what became of it."""


@extend_schema_view(post=extend_schema(operation_id="reportNotice", tags=TAGS))
class ReportNoticeView(Commanding, _Notices):
    """Say that a notice which was sent arrived, or did not."""

    command_serializer_class = ReportNoticeSerializer
    success_status = HTTPStatus.OK
    staff_permissions = {"POST": "margin.change_notice"}

    def locate(self) -> Notice:
        notice: Notice = get_object_or_404(self.get_queryset(), pk=self.kwargs["id"])
        return notice

    def carry_out(self, target: Notice, values: dict[str, Any], *, key: str) -> Notice:
        return report(notice=target, actor=self.caller.actor, **values)
