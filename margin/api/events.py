"""The feed of what happened, to be read again from any point."""

from __future__ import annotations

import re
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.core.api.pagination import KeyPagination, limit_of
from ledger.core.api.requests import refuse_parameter
from ledger.core.api.views import ApiView
from ledger.core.models import Event
from ledger.outbox import Cursor, read_events
from ledger.outbox import cursor_of as place_of

_CURSOR: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,20}|j[0-9a-f-]{36})\Z", re.ASCII)
_START: Final = "0-0"


class EventSerializer(serializers.ModelSerializer[Event]):
    cursor = serializers.SerializerMethodField(
        help_text=gettext_lazy("Give it as `after` to go on from here.")
    )
    payload = serializers.DictField()

    class Meta:
        model = Event
        fields = [
            "cursor",
            "topic",
            "subject_type",
            "subject_id",
            "actor",
            "reason",
            "payload",
            "occurred_at",
        ]

    def get_cursor(self, event: Event) -> str:
        return cursor_of(event)


class EventPageSerializer(serializers.Serializer[Any]):
    results = EventSerializer(many=True)
    next_cursor = serializers.CharField(help_text=gettext_lazy("Where to go on, also when nothing was new."))


def cursor_of(event: Event) -> str:
    transaction, place = place_of(event)
    return f"{transaction}-{place.lstrip('0')}"


@extend_schema_view(
    get=extend_schema(
        operation_id="listEvents",
        tags=["Events"],
        responses=EventPageSerializer,
        parameters=[
            OpenApiParameter(
                "after", str, description=str(gettext_lazy("The cursor of the last event seen."))
            ),
            OpenApiParameter("limit", int, description=str(KeyPagination.limit_help)),
        ],
    )
)
class EventFeedView(ApiView):
    """The firm's events in the order in which they were committed, oldest first.

    The feed is complete: an event appears only when no earlier one can still come. Keep the cursor of the
    last event you handled; reading again from it never skips one.
    """

    model = Event
    pagination_class = None

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        after = request.query_params.get("after", _START)
        broker = self.caller.broker
        events = read_events(
            after=_position(after), limit=limit_of(request), broker_code=broker.code if broker else None
        )
        return Response(
            {
                "results": EventSerializer(events, many=True).data,
                "next_cursor": cursor_of(events[-1]) if events else after,
            }
        )

    def known_parameters(self, method: str) -> frozenset[str]:
        return super().known_parameters(method) | {"after", "limit"}


def _position(cursor: str) -> Cursor:
    match = _CURSOR.match(cursor)
    if match is None:
        raise refuse_parameter("after", _("This is not a cursor of ours."), "unknown_cursor")
    return int(match[1]), match[2] if match[2].startswith("j") else match[2].rjust(20, "0")
