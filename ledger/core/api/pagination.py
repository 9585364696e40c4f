"""Pages by cursor: newest first, in an order that new rows do not disturb."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from .requests import refuse_parameter

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 500
PARAMETERS: Final = frozenset({"cursor", "limit"})


class KeyPagination(BasePagination):
    """Rows after the cursor by descending primary key, at most `limit` of them."""

    limit_help = gettext_lazy("Rows on a page, at most 500.")
    cursor_help = gettext_lazy("The `next_cursor` of the page before.")

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        limit = limit_of(request)
        rows = queryset.order_by("-pk")
        if cursor := request.query_params.get("cursor"):
            rows = rows.filter(pk__lt=_decode(cursor, queryset.model))
        page = list(rows[: limit + 1])
        self.next_cursor = encode(page[limit - 1].pk) if len(page) > limit else None
        return page[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next_cursor": self.next_cursor})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return page_schema(schema)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": str(self.cursor_help),
                "schema": {"type": "string"},
            },
            {
                "name": "limit",
                "in": "query",
                "required": False,
                "description": str(self.limit_help),
                "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
            },
        ]


def page_schema(rows: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a page of `rows`."""
    return {
        "type": "object",
        "required": ["results", "next_cursor"],
        "properties": {"results": rows, "next_cursor": {"type": ["string", "null"]}},
    }


def limit_of(request: Request) -> int:
    """Return the page size asked for; raises ValidationError naming `limit` when it is out of range."""
    given = request.query_params.get("limit", str(LIMIT_DEFAULT))
    if not (given.isascii() and given.isdigit() and len(given) <= 4 and 1 <= int(given) <= LIMIT_MAX):
        raise refuse_parameter(
            "limit", _("A number from 1 to %(most)s.") % {"most": LIMIT_MAX}, "out_of_range"
        )
    return int(given)


def encode(position: object) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def decode(cursor: str) -> str:
    """Return the position in a cursor; raises ValidationError when it was not made by :func:`encode`."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _unknown_cursor() from error


def _decode(cursor: str, model: type[Model]) -> Any:
    try:
        return model._meta.pk.to_python(decode(cursor)) if model._meta.pk else None
    except DjangoValidationError as error:
        raise _unknown_cursor() from error


def _unknown_cursor() -> ValidationError:
    return refuse_parameter("cursor", _("This is not a cursor of ours."), "unknown_cursor")
