"""Balances of the caller's book, now or as of a value date, known at a block."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from ledger import as_of
from ledger.core.api.fields import StrictDateField
from ledger.core.api.requests import refuse_parameter
from ledger.core.api.views import Listing
from ledger.core.errors import Invalid
from ledger.models import Balance, Book

from .filters import BalanceFilter
from .seal import whole_number
from .serializers import BalanceSerializer
from .views import TAGS, BookView, kept_in

PARAMETERS = [
    OpenApiParameter(
        "as_of",
        date,
        description=str(
            gettext_lazy("What stood at the end of this value date; `version` counts what was known.")
        ),
    ),
    OpenApiParameter(
        "block",
        int,
        description=str(
            gettext_lazy(
                "With `as_of`: what was known at this block, the same for ever; else what is known now."
            )
        ),
    ),
]


class AsOf(Listing):
    """A list of balances that may be asked for as they stood."""

    def known_parameters(self, method: str) -> frozenset[str]:
        return super().known_parameters(method) | {"as_of", "block"}

    def paginate_queryset(self, queryset: QuerySet[Any] | Sequence[Any]) -> list[Any] | None:
        value_on, block = self._asked(self.request)
        page: list[Balance] | None = super().paginate_queryset(queryset)
        if value_on is not None and page:
            found = as_of.net_atoms([row.account_id for row in page], value_on=value_on, known_at=block)
            for row in page:
                row.net_atoms, row.version = found[row.account_id]
                # Holds are of now, whatever day is asked for.
                row.held_debit_atoms = row.held_credit_atoms = None
        return page

    def _asked(self, request: Request) -> tuple[date | None, int | None]:
        given, block = request.query_params.get("as_of"), whole_number(request, "block")
        if given is None:
            if block is not None:
                raise refuse_parameter("block", _("Give `as_of` with it."), "needs_as_of")
            return None, None
        try:
            value_on: date = StrictDateField().run_validation(given)
        except ValidationError as error:
            raise refuse_parameter("as_of", _("A date such as 2022-06-13."), "invalid") from error
        if block is not None:
            if self.caller.book is None:
                raise refuse_parameter(
                    "block", _("Blocks are counted per firm: name one by `broker`."), "needs_a_book"
                )
            try:
                as_of.check_block(self.caller.book, block)
            except Invalid as refusal:
                raise refuse_parameter("block", refusal.message, refusal.reason) from refusal
        return value_on, block


@extend_schema_view(get=extend_schema(operation_id="listBalances", tags=TAGS, parameters=PARAMETERS))
class BalanceListView(AsOf, BookView):
    """What stands in the books, in units, positive on the account's normal side; now, or as of a value date."""

    model = Balance
    serializer_class = BalanceSerializer
    filterset_class = BalanceFilter
    staff_permissions = {"GET": "ledger.view_account"}

    def for_book(self, book: Book | None) -> QuerySet[Balance]:
        balances = Balance.objects.select_related("account__asset", "account__location")
        return kept_in(balances, book, "account__book")
