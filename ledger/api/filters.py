"""What lists of the book can be narrowed by."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _

from ledger.models import Account, Balance, Entry, Journal, Role


class JournalFilter(django_filters.FilterSet):
    client = django_filters.CharFilter(method="of_client", help_text=_("Client number."))
    kind = django_filters.CharFilter(help_text=_("For instance `cash_deposit` or `drawdown`."))
    cause = django_filters.CharFilter(help_text=_("What made it, for instance `client:C001`."))
    value_from = django_filters.DateFilter(field_name="value_on", lookup_expr="gte")
    value_to = django_filters.DateFilter(field_name="value_on", lookup_expr="lte")

    class Meta:
        model = Journal
        fields: list[str] = []

    def of_client(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        moved = Entry.objects.filter(journal=OuterRef("pk"), account__owner=value)
        return queryset.filter(Exists(moved))


class AccountFilter(django_filters.FilterSet):
    client = django_filters.CharFilter(field_name="owner", help_text=_("Client number."))
    role = django_filters.ChoiceFilter(choices=Role.choices)
    asset = django_filters.CharFilter(field_name="asset__code")
    location = django_filters.CharFilter(field_name="location__code")

    class Meta:
        model = Account
        fields: list[str] = []


class BalanceFilter(django_filters.FilterSet):
    client = django_filters.CharFilter(field_name="account__owner", help_text=_("Client number."))
    role = django_filters.ChoiceFilter(field_name="account__role", choices=Role.choices)
    asset = django_filters.CharFilter(field_name="account__asset__code")
    location = django_filters.CharFilter(field_name="account__location__code")

    class Meta:
        model = Balance
        fields: list[str] = []
