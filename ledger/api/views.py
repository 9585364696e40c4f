"""Journals, accounts and balances of the caller's book."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view

from ledger.core.api.callers import Caller
from ledger.core.api.views import Detail, Listing, ScopedView
from ledger.core.errors import Invalid
from ledger.models import Account, Book, Entry, Journal

from .filters import AccountFilter
from .serializers import (
    AccountSerializer,
    EntrySerializer,
    JournalDetailSerializer,
)

TAGS = ["Books"]


class BookView(ScopedView):
    """Rows of one book, or of every book for a house operator."""

    @abstractmethod
    def for_book(self, book: Book | None) -> QuerySet[Any]:
        """Return the rows of `book`; None stands for all of them."""

    def for_caller(self, caller: Caller) -> QuerySet[Any]:
        return self.for_book(caller.book)

    def book_required(self) -> Book:
        """Return the one book a command is for; a house operator has to name its firm."""
        book: Book | None = self.caller.book
        if book is None:
            raise Invalid(_("Name the firm with ?broker=CODE."), field="broker", code="broker_required")
        return book


def kept_in(queryset: QuerySet[Any], book: Book | None, path: str = "book") -> QuerySet[Any]:
    """Keep the rows whose `path` leads to `book`."""
    return queryset if book is None else queryset.filter(**{path: book})


@extend_schema_view(get=extend_schema(operation_id="getJournal", tags=TAGS))
class JournalView(Detail, BookView):
    """One journal with its entries, which sum to zero per asset."""

    model = Journal
    serializer_class = JournalDetailSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_book(self, book: Book | None) -> QuerySet[Journal]:
        return kept_in(Journal.objects.with_entries(), book)


@extend_schema_view(get=extend_schema(operation_id="listAccounts", tags=TAGS))
class AccountListView(Listing, BookView):
    """Accounts: what somebody has in one role, of one asset, at one place."""

    model = Account
    serializer_class = AccountSerializer
    filterset_class = AccountFilter

    def for_book(self, book: Book | None) -> QuerySet[Account]:
        return kept_in(Account.objects.select_related("asset", "location"), book)


@extend_schema_view(get=extend_schema(operation_id="listAccountEntries", tags=TAGS))
class AccountEntryListView(Listing, BookView):
    """The entries of one account, newest first, each with the balance it left behind."""

    model = Entry
    serializer_class = EntrySerializer
    staff_permissions = {"GET": "ledger.view_journal"}

    def for_book(self, book: Book | None) -> QuerySet[Entry]:
        entries = Entry.objects.select_related("account__asset", "account__location")
        return kept_in(entries, book, "account__book").filter(account=self.kwargs["id"])
