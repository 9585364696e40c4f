"""An account's statement: as JSON in pages, as CSV whole, as PDF."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.core import clock
from ledger.core.api.fields import StrictDateField, quantity_field
from ledger.core.api.pagination import KeyPagination, limit_of
from ledger.core.api.requests import refuse_parameter
from ledger.core.decimals import plain
from ledger.models import Account, Book
from ledger.statement_cursors import read_cursor, write_cursor
from ledger.statement_files import csv_response, sides, units
from ledger.statement_pdf import pdf_response
from ledger.statements import Statement, open_statement, read_lines

from .serializers import AccountSerializer
from .views import BookView, kept_in

TAGS = ["Books"]
_PERIOD = [
    OpenApiParameter(
        "from", date, description=str(gettext_lazy("First value date; the month's first unless given."))
    ),
    OpenApiParameter("to", date, description=str(gettext_lazy("Last value date; today unless given."))),
    OpenApiParameter(
        "block", int, description=str(gettext_lazy("As known at this sealed block; everything unless given."))
    ),
]


class StatementLineSerializer(serializers.Serializer[Any]):
    value_on = StrictDateField()
    booked_at = serializers.DateTimeField()
    journal = serializers.UUIDField()
    kind = serializers.CharField()
    cause = serializers.CharField()
    narrative = serializers.CharField()
    debit = quantity_field(allow_null=True)
    credit = quantity_field(allow_null=True)
    balance = quantity_field(
        help_text=gettext_lazy("What stands after this line, on the account's normal side.")
    )


class StatementSerializer(serializers.Serializer[Any]):
    """One page. Opening and closing are those of the period; pages after the first tell the same."""

    account = AccountSerializer()
    first_on = StrictDateField()
    last_on = StrictDateField()
    known_at = serializers.IntegerField(
        allow_null=True, help_text=gettext_lazy("The sealed block, if it is of one.")
    )
    opening_balance = quantity_field()
    closing_balance = quantity_field()
    results = StatementLineSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class _OfAccount(BookView):
    model = Account
    pagination_class = None
    staff_permissions = {"GET": "ledger.view_journal"}

    def for_book(self, book: Book | None) -> QuerySet[Account]:
        return kept_in(Account.objects.select_related("book", "asset", "location"), book)

    def known_parameters(self, method: str) -> frozenset[str]:
        return super().known_parameters(method) | {"from", "to", "block"}

    def account(self) -> Account:
        found: Account = get_object_or_404(self.get_queryset(), pk=self.kwargs["id"])
        return found

    def statement(self) -> Statement:
        account = self.account()
        last_on = self._day("to") or clock.today()
        first_on = self._day("from") or last_on.replace(day=1)
        return open_statement(account, first_on=first_on, last_on=last_on, known_at=self._block())

    def _day(self, name: str) -> date | None:
        given = self.request.query_params.get(name)
        if given is None:
            return None
        try:
            day: date = StrictDateField().run_validation(given)
        except ValidationError as error:
            raise ValidationError({name: error.detail}) from error
        return day

    def _block(self) -> int | None:
        given = self.request.query_params.get("block")
        if given is None:
            return None
        if not (given.isascii() and given.isdigit() and len(given) <= 18):
            raise refuse_parameter("block", _("This is not the number of a block."), "invalid")
        return int(given)


@extend_schema_view(
    get=extend_schema(
        operation_id="getAccountStatement",
        tags=TAGS,
        responses=StatementSerializer,
        parameters=[
            *_PERIOD,
            OpenApiParameter("cursor", str, description=str(KeyPagination.cursor_help)),
            OpenApiParameter("limit", int, description=str(KeyPagination.limit_help)),
        ],
    )
)
class StatementView(_OfAccount):
    """The statement of an account by value date: opening, lines with the running balance, closing.

    It is of one moment, that of its first page or of the block: a cursor goes on in the same statement whatever is booked
    meanwhile, and brings its period along. The slots of a house account are one.
    """

    serializer_class = StatementSerializer

    def known_parameters(self, method: str) -> frozenset[str]:
        return super().known_parameters(method) | {"cursor", "limit"}

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        limit = limit_of(request)
        cursor = request.query_params.get("cursor")
        statement, after = read_cursor(self.account(), cursor) if cursor else (self.statement(), None)
        lines = read_lines(statement, after=after, limit=limit + 1)
        more = write_cursor(statement, lines[limit - 1].place) if len(lines) > limit else None
        results = []
        for line in lines[:limit]:
            debit, credit = sides(statement, line)
            results.append(
                {
                    "value_on": line.place.value_on.isoformat(),
                    "booked_at": line.booked_at,
                    "journal": str(line.journal_id),
                    "kind": line.kind,
                    "cause": line.cause,
                    "narrative": line.narrative,
                    "debit": plain(debit) if debit is not None else None,
                    "credit": plain(credit) if credit is not None else None,
                    "balance": plain(units(statement, line.balance_atoms)),
                }
            )
        return Response(
            {
                "account": AccountSerializer(statement.account).data,
                "first_on": statement.first_on.isoformat(),
                "last_on": statement.last_on.isoformat(),
                "known_at": statement.known_at,
                "opening_balance": plain(units(statement, statement.opening_atoms)),
                "closing_balance": plain(units(statement, statement.closing_atoms)),
                "results": results,
                "next_cursor": more,
            }
        )


@extend_schema_view(
    get=extend_schema(
        operation_id="getAccountStatementCsv",
        tags=TAGS,
        parameters=_PERIOD,
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
)
class StatementCsvView(_OfAccount):
    """The whole statement as CSV in UTF-8: opening, lines, closing."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> StreamingHttpResponse:
        return csv_response(self.statement())


@extend_schema_view(
    get=extend_schema(
        operation_id="getAccountStatementPdf",
        tags=TAGS,
        parameters=_PERIOD,
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
)
class StatementPdfView(_OfAccount):
    """The whole statement as PDF, in the language of `Accept-Language`; at most 2,000 lines."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        return pdf_response(self.statement())
