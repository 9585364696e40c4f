"""Limits of accounts, accounts closed and reopened, and the periods of a book: decided by people, read by systems too."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Any

import django_filters
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import get_object_or_404

from ledger import limits, periods
from ledger.closing import close_account, reopen_account
from ledger.core.api.fields import EmptyCommandSerializer
from ledger.core.api.filters import IdFilter
from ledger.core.api.views import Commanding, DecidedByPeople, Detail, Listing
from ledger.core.errors import Invalid
from ledger.core.models import FourEyes
from ledger.models import Account, AccountLimit, Book, PeriodChange

from .control_serializers import (
    AccountLimitSerializer,
    PeriodChangeSerializer,
    ProposeLimitSerializer,
    ProposePeriodChangeSerializer,
    ReasonSerializer,
)
from .serializers import AccountSerializer
from .views import BookView, kept_in

TAGS = ["Controls"]


class AccountLimitFilter(django_filters.FilterSet):
    account = IdFilter(help_text=gettext_lazy("The account's id."))
    client = django_filters.CharFilter(field_name="account__owner", help_text=gettext_lazy("Client number."))
    approval = django_filters.ChoiceFilter(choices=FourEyes.Approval.choices)
    in_force_on = django_filters.DateFilter(
        method="of_day", help_text=gettext_lazy("Those that were in force at the end of this day.")
    )

    class Meta:
        model = AccountLimit
        fields: list[str] = []

    def of_day(self, queryset: QuerySet[Any], name: str, value: date) -> QuerySet[Any]:
        latest = limits.applied_by(value).filter(account=OuterRef("account"))
        return queryset.filter(pk=Subquery(latest.values("pk")[:1]))


class PeriodChangeFilter(django_filters.FilterSet):
    approval = django_filters.ChoiceFilter(choices=FourEyes.Approval.choices)
    kind = django_filters.ChoiceFilter(choices=PeriodChange.Kind.choices)

    class Meta:
        model = PeriodChange
        fields: list[str] = []


class _Limits(DecidedByPeople, BookView):
    model = AccountLimit
    serializer_class = AccountLimitSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_book(self, book: Book | None) -> QuerySet[AccountLimit]:
        rows = AccountLimit.objects.select_related(
            "account__asset", "account__location", "account__balance", "account__book", "maker", "checker"
        )
        return kept_in(rows, book, "account__book")


class _Periods(DecidedByPeople, BookView):
    model = PeriodChange
    serializer_class = PeriodChangeSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_book(self, book: Book | None) -> QuerySet[PeriodChange]:
        return kept_in(PeriodChange.objects.select_related("book", "maker", "checker"), book)


class _OnOne(Commanding, BookView):
    """A command on the row that the address names."""

    success_status = HTTPStatus.OK

    def locate(self) -> Any:
        return get_object_or_404(self.get_queryset(), pk=self.kwargs["id"])


@extend_schema_view(
    get=extend_schema(operation_id="listAccountLimits", tags=TAGS),
    post=extend_schema(operation_id="proposeAccountLimit", tags=TAGS),
)
class AccountLimitListView(Listing, Commanding, _Limits):
    """Limits of accounts, newest first; a proposal has no effect until a second person approves it."""

    filterset_class = AccountLimitFilter
    command_serializer_class = ProposeLimitSerializer

    def carry_out(self, target: None, values: dict[str, Any], *, key: str) -> AccountLimit:
        accounts = Account.objects.select_related("asset", "location", "balance", "book")
        account = kept_in(accounts, self.caller.book).filter(pk=values.pop("account")).first()
        if account is None:
            raise Invalid(_("There is no such account."), field="account", code="unknown_account")
        return limits.propose(account=account, maker=self.person, **values)


@extend_schema_view(get=extend_schema(operation_id="getAccountLimit", tags=TAGS))
class AccountLimitView(Detail, _Limits):
    """One limit with its decision and since when it is in force."""


@extend_schema_view(post=extend_schema(operation_id="approveAccountLimit", tags=TAGS))
class ApproveAccountLimitView(_OnOne, _Limits):
    """Approve a limit, which comes in force on its day; its maker is refused."""

    staff_permissions = {"POST": "ledger.change_accountlimit"}
    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: AccountLimit, values: dict[str, Any], *, key: str) -> AccountLimit:
        limits.approve(target, checker=self.person)
        return self.get_queryset().get(pk=target.pk)


@extend_schema_view(post=extend_schema(operation_id="rejectAccountLimit", tags=TAGS))
class RejectAccountLimitView(_OnOne, _Limits):
    """Send a proposal back with a reason."""

    staff_permissions = {"POST": "ledger.change_accountlimit"}
    command_serializer_class = ReasonSerializer

    def carry_out(self, target: AccountLimit, values: dict[str, Any], *, key: str) -> AccountLimit:
        limits.reject(target, checker=self.person, reason=values["reason"])
        return self.get_queryset().get(pk=target.pk)


class _Accounts(DecidedByPeople, _OnOne):
    model = Account
    serializer_class = AccountSerializer
    command_serializer_class = ReasonSerializer
    staff_permissions = {"POST": "ledger.change_account"}

    def for_book(self, book: Book | None) -> QuerySet[Account]:
        return kept_in(Account.objects.select_related("asset", "location", "book"), book)


@extend_schema_view(post=extend_schema(operation_id="closeAccount", tags=TAGS))
class CloseAccountView(_Accounts):
    """Close an account that is empty and of which nothing is held; it takes no entry until it is reopened."""

    def carry_out(self, target: Account, values: dict[str, Any], *, key: str) -> Account:
        return close_account(account=target, actor=self.caller.actor, reason=values["reason"])


@extend_schema_view(post=extend_schema(operation_id="reopenAccount", tags=TAGS))
class ReopenAccountView(_Accounts):
    """Let a closed account take entries again."""

    def carry_out(self, target: Account, values: dict[str, Any], *, key: str) -> Account:
        return reopen_account(account=target, actor=self.caller.actor, reason=values["reason"])


@extend_schema_view(
    get=extend_schema(operation_id="listPeriodChanges", tags=TAGS),
    post=extend_schema(operation_id="proposePeriodChange", tags=TAGS),
)
class PeriodChangeListView(Listing, Commanding, _Periods):
    """Closings and reopenings of the book's periods, newest first; each needs a second person."""

    filterset_class = PeriodChangeFilter
    command_serializer_class = ProposePeriodChangeSerializer

    def carry_out(self, target: None, values: dict[str, Any], *, key: str) -> PeriodChange:
        book: Book | None = self.caller.book
        if book is None:
            raise Invalid(_("Name the firm with ?broker=CODE."), field="broker", code="broker_required")
        return periods.propose(book=book, maker=self.person, **values)


@extend_schema_view(get=extend_schema(operation_id="getPeriodChange", tags=TAGS))
class PeriodChangeView(Detail, _Periods):
    """One closing or reopening, with what stood in the books at a closing."""


@extend_schema_view(post=extend_schema(operation_id="approvePeriodChange", tags=TAGS))
class ApprovePeriodChangeView(_OnOne, _Periods):
    """Approve a closing or reopening, which is carried out at once; its maker is refused."""

    staff_permissions = {"POST": "ledger.change_periodchange"}
    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: PeriodChange, values: dict[str, Any], *, key: str) -> PeriodChange:
        return periods.approve(target, checker=self.person)


@extend_schema_view(post=extend_schema(operation_id="rejectPeriodChange", tags=TAGS))
class RejectPeriodChangeView(_OnOne, _Periods):
    """Send a proposal back with a reason."""

    staff_permissions = {"POST": "ledger.change_periodchange"}
    command_serializer_class = ReasonSerializer

    def carry_out(self, target: PeriodChange, values: dict[str, Any], *, key: str) -> PeriodChange:
        return periods.reject(target, checker=self.person, reason=values["reason"])
