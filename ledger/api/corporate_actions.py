"""Corporate actions: read by every firm, proposed and decided by people; what they give is read by whose book it is."""

from __future__ import annotations

from typing import Any, Final

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.core.api.fields import EmptyCommandSerializer
from ledger.core.api.views import Commanding, DecidedByPeople, Deciding, Detail, Listing, SharedView
from ledger.core.errors import Conflict
from ledger.core.models import FourEyes
from ledger.corporate_actions import actions, proposals
from ledger.models import Book, CorporateAction, Entitlement

from .corporate_action_serializers import (
    CorporateActionSerializer,
    EntitlementSerializer,
    PreviewSerializer,
    ProposeCorporateActionSerializer,
    RejectCorporateActionSerializer,
)
from .views import BookView, kept_in

TAGS = ["Corporate actions"]
LINES_MAX: Final = 1_000


class CorporateActionFilter(django_filters.FilterSet):
    asset = django_filters.CharFilter(field_name="asset__code")
    approval = django_filters.ChoiceFilter(choices=FourEyes.Approval.choices)
    stage = django_filters.ChoiceFilter(choices=CorporateAction.Stage.choices)
    kind = django_filters.ChoiceFilter(choices=CorporateAction.Kind.choices)
    reference = django_filters.CharFilter()

    class Meta:
        model = CorporateAction
        fields: list[str] = []


class _Actions(DecidedByPeople, SharedView):
    model = CorporateAction
    serializer_class = CorporateActionSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def get_queryset(self) -> QuerySet[CorporateAction]:
        return CorporateAction.objects.select_related(
            "asset", "other_asset", "currency", "location", "maker", "checker"
        )


@extend_schema_view(
    get=extend_schema(operation_id="listCorporateActions", tags=TAGS),
    post=extend_schema(operation_id="proposeCorporateAction", tags=TAGS),
)
class CorporateActionListView(Listing, Commanding, _Actions):
    """Splits, bonus issues and dividends, newest first; a proposal has no effect until a second person approves it."""

    filterset_class = CorporateActionFilter
    command_serializer_class = ProposeCorporateActionSerializer

    def carry_out(self, target: None, values: dict[str, Any], *, key: str) -> CorporateAction:
        return proposals.propose(terms=proposals.Terms(**values), maker=self.person)


@extend_schema_view(get=extend_schema(operation_id="getCorporateAction", tags=TAGS))
class CorporateActionView(Detail, _Actions):
    """One corporate action with its terms, its decision and its stage."""


class _Decision(Deciding, _Actions):
    staff_permissions = {"POST": "ledger.change_corporateaction"}


@extend_schema_view(post=extend_schema(operation_id="approveCorporateAction", tags=TAGS))
class ApproveCorporateActionView(_Decision):
    """Approve a proposal, so that it is carried out on its days; its maker is refused."""

    command_serializer_class = EmptyCommandSerializer

    def carry_out(self, target: CorporateAction, values: dict[str, Any], *, key: str) -> CorporateAction:
        return proposals.approve(target, checker=self.person)


@extend_schema_view(post=extend_schema(operation_id="rejectCorporateAction", tags=TAGS))
class RejectCorporateActionView(_Decision):
    """Send a proposal back with a reason."""

    command_serializer_class = RejectCorporateActionSerializer

    def carry_out(self, target: CorporateAction, values: dict[str, Any], *, key: str) -> CorporateAction:
        return proposals.reject(target, checker=self.person, reason=values["reason"])


class _OfOneAction(BookView):
    model = Entitlement
    staff_permissions = {"GET": "ledger.view_corporateaction"}

    def corporate_action(self) -> CorporateAction:
        found: CorporateAction = get_object_or_404(
            CorporateAction.objects.select_related("asset", "other_asset", "currency", "location"),
            pk=self.kwargs["id"],
        )
        return found

    def for_book(self, book: Book | None) -> QuerySet[Entitlement]:
        rows = Entitlement.objects.select_related(
            "account__location", "action__asset", "action__other_asset", "action__currency"
        )
        return kept_in(rows, book, "account__book").filter(action=self.corporate_action())


@extend_schema_view(get=extend_schema(operation_id="listEntitlements", tags=TAGS))
class EntitlementListView(Listing, _OfOneAction):
    """What each account of the caller's book was given when the action was applied, and how far it has come."""

    serializer_class = EntitlementSerializer


@extend_schema_view(get=extend_schema(operation_id="previewCorporateAction", tags=TAGS))
class PreviewView(_OfOneAction):
    """What an action that was not yet applied would give now; not found where nobody of the caller's book holds any."""

    serializer_class = PreviewSerializer
    pagination_class = None

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        action = self.corporate_action()
        if action.stage != CorporateAction.Stage.WAITING:
            raise Conflict(_("This action was applied; see its entitlements."), code="already_applied")
        rows = actions.preview(action, book=self.caller.book)
        if not rows:
            raise Http404
        found = {"lines": rows[:LINES_MAX], "left_out": max(len(rows) - LINES_MAX, 0)}
        return Response(self.get_serializer(found).data)
