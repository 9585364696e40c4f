"""Holds: read by whose book it is, placed, posted and released by people.

A hold says what will be booked, past the checks of credit that a withdrawal makes; so a broker's system, which has
commands of its own for what it may move, reads holds and places none.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import get_object_or_404

from ledger import holds
from ledger.core.api.filters import IdFilter
from ledger.core.api.views import Commanding, DecidedByPeople, Detail, Listing
from ledger.core.errors import Invalid
from ledger.holds import HoldPosted, HoldRequest, Placed
from ledger.holds.placing import with_accounts
from ledger.models import Book, Hold
from ledger.requests import AccountKey

from .hold_serializers import (
    HoldDetailSerializer,
    HoldGroupSerializer,
    HoldPostedSerializer,
    HoldSerializer,
    PlaceHoldsSerializer,
    PostHoldGroupSerializer,
    PostHoldSerializer,
    ReleaseHoldSerializer,
)
from .views import BookView, kept_in

TAGS = ["Holds"]


class HoldFilter(django_filters.FilterSet):
    client = django_filters.CharFilter(method="of_client", help_text=gettext_lazy("Client number."))
    account = IdFilter(method="of_account")
    asset = django_filters.CharFilter(field_name="debit_account__asset__code")
    state = django_filters.ChoiceFilter(choices=Hold.State.choices)
    group = django_filters.UUIDFilter(field_name="group_id")

    class Meta:
        model = Hold
        fields: list[str] = []

    def of_client(self, queryset: QuerySet[Hold], name: str, value: str) -> QuerySet[Hold]:
        return queryset.filter(Q(debit_account__owner=value) | Q(credit_account__owner=value))

    def of_account(self, queryset: QuerySet[Hold], name: str, value: Any) -> QuerySet[Hold]:
        return queryset.filter(Q(debit_account=value) | Q(credit_account=value))


class _Holds(DecidedByPeople, BookView):
    model = Hold
    serializer_class = HoldSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_book(self, book: Book | None) -> QuerySet[Hold]:
        return kept_in(with_accounts(Hold.objects.all()), book)


@extend_schema_view(
    get=extend_schema(operation_id="listHolds", tags=TAGS),
    post=extend_schema(operation_id="placeHolds", tags=TAGS),
)
class HoldListView(Listing, Commanding, _Holds):
    """Amounts reserved between two accounts, newest first. Holds placed together are a group, all or none."""

    filterset_class = HoldFilter
    command_serializer_class = PlaceHoldsSerializer
    reply_serializer_class = HoldGroupSerializer

    def locate(self) -> Book:
        return self.book_required()

    def carry_out(self, target: Book, values: dict[str, Any], *, key: str) -> Placed:
        return holds.place(
            target,
            [_request_of(wish) for wish in values["holds"]],
            key=key,
            actor=self.caller.actor,
            expires_at=values["expires_at"],
            opens_accounts=False,
        )


def _request_of(wish: Mapping[str, Any]) -> HoldRequest:
    def key_of(side: Mapping[str, str]) -> AccountKey:
        return AccountKey(side["role"], wish["asset"], side["client"], side["location"])

    return HoldRequest(key_of(wish["debit"]), key_of(wish["credit"]), wish["quantity"], wish["reason"])


@extend_schema_view(get=extend_schema(operation_id="getHold", tags=TAGS))
class HoldView(Detail, _Holds):
    """One hold with the journals that posted it."""

    serializer_class = HoldDetailSerializer

    def for_book(self, book: Book | None) -> QuerySet[Hold]:
        return super().for_book(book).prefetch_related("journals")


class _HoldCommand(Commanding, _Holds):
    success_status = HTTPStatus.OK
    staff_permissions: ClassVar[Mapping[str, str]] = {"POST": "ledger.change_hold"}

    def locate(self) -> Hold:
        hold: Hold = get_object_or_404(self.get_queryset(), pk=self.kwargs["id"])
        return hold


class _GroupCommand(_HoldCommand):
    """A group has the id of its first hold, and no other hold's id is one."""

    def locate(self) -> Hold:
        hold = super().locate()
        if hold.group_id != hold.pk:
            raise Http404
        return hold


@extend_schema_view(post=extend_schema(operation_id="postHold", tags=TAGS))
class PostHoldView(_HoldCommand):
    """Book a hold, whole or in part, once per key; one that was placed with others is posted with its group."""

    command_serializer_class = PostHoldSerializer
    reply_serializer_class = HoldPostedSerializer

    def carry_out(self, target: Hold, values: dict[str, Any], *, key: str) -> HoldPosted:
        return holds.post_hold(target, key=key, actor=self.caller.actor, **values)


@extend_schema_view(post=extend_schema(operation_id="releaseHold", tags=TAGS))
class ReleaseHoldView(_HoldCommand):
    """Let go what is left of a hold, with a reason."""

    command_serializer_class = ReleaseHoldSerializer

    def carry_out(self, target: Hold, values: dict[str, Any], *, key: str) -> Hold:
        return holds.release(target, actor=self.caller.actor, reason=values["reason"])


@extend_schema_view(post=extend_schema(operation_id="postHoldGroup", tags=TAGS))
class PostHoldGroupView(_GroupCommand):
    """Book every hold of a group, all that is left or a quantity of each, all or none."""

    command_serializer_class = PostHoldGroupSerializer
    reply_serializer_class = HoldPostedSerializer

    def carry_out(self, target: Hold, values: dict[str, Any], *, key: str) -> HoldPosted:
        wishes = values.pop("quantities", None)
        quantities = None if wishes is None else _quantities(wishes)
        return holds.post_group(
            target.book, target.group_id, key=key, actor=self.caller.actor, quantities=quantities, **values
        )


def _quantities(wishes: list[Mapping[str, Any]]) -> dict[UUID, Any]:
    quantities = {wish["hold"]: wish["quantity"] for wish in wishes}
    if len(quantities) < len(wishes):
        raise Invalid(_("A hold is named twice."), field="quantities", code="named_twice")
    return quantities


@extend_schema_view(post=extend_schema(operation_id="releaseHoldGroup", tags=TAGS))
class ReleaseHoldGroupView(_GroupCommand):
    """Let go what is left of every hold of a group, with a reason."""

    command_serializer_class = ReleaseHoldSerializer
    reply_serializer_class = HoldGroupSerializer

    def carry_out(self, target: Hold, values: dict[str, Any], *, key: str) -> Placed:
        released = holds.release_group(
            target.book, target.group_id, actor=self.caller.actor, reason=values["reason"]
        )
        return Placed(target.group_id, released, is_replay=False)
