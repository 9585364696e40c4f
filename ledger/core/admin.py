"""The back office's common manners: nothing is deleted, big tables stay fast, writes go through services.

:class:`HouseAdmin` is the base of every admin of the house, :class:`ReadOnlyAdmin` of those that only show,
:class:`FourEyesAdmin` of what one person proposes and another decides. A button asks in a dialog and calls a
service by :func:`carry_out`; what the service refuses is shown to the person in its own words.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from . import approvals
from .errors import Refusal
from .formatting import format_quantity
from .models import FourEyes

ROWS_COUNTED_MAX: Final = 10_000
DECISION_FIELDS: Final = ("approval_state", "maker", "made_at", "checker", "checked_at")
_APPROVAL_COLOURS: Final = {"proposed": "warning", "approved": "success", "rejected": "danger"}


class BoundedPaginator(Paginator):
    """Counts no further than anyone pages by hand, so a list costs the same however large the table."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:ROWS_COUNTED_MAX].count()


class ReasonForm(BaseDialogForm):
    """The dialog of a button that needs a reason; it is kept in the audit trail."""

    reason = forms.CharField(
        label=_("Reason"), max_length=200, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )


def dialog(title: Any, description: Any = "", form: type[BaseDialogForm] = BaseDialogForm) -> dict[str, Any]:
    """The `dialog` option of a button. A change is always sent by POST, never by following a link."""
    return {"title": title, "description": description, "form_class": form, "form_submit_text": title}


def carry_out(request: HttpRequest, command: Callable[[], object], *, done: Any, then: str) -> HttpResponse:
    """Run a service for the person at the screen, say how it went, and send the browser to `then`."""
    try:
        command()
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, done)
    return HttpResponse(headers={"HX-Redirect": then})


def coloured(words: Any, colour: str) -> SafeString:
    """Render a state as a coloured word: info, primary, success, warning or danger; in lists and on pages."""
    return render_to_string("unfold/helpers/label.html", {"text": words, "type": colour})


def show_quantity(amount: Any, places: int) -> str:
    """Render an exact number for the reader's language."""
    return format_quantity(amount, places, get_language() or "en")


def reader_language() -> str:
    """The reader's language as browsers name it."""
    return "zh-Hant-HK" if (get_language() or "en").startswith("zh") else "en-HK"


class HouseAdmin(ModelAdmin):
    """What every admin of the house has in common. Rows are never deleted by hand."""

    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    paginator = BoundedPaginator
    compressed_fields = True
    warn_unsaved_form = True
    # What a list that holds nothing says: where its rows come from.
    nothing_yet: Any = ""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show what a service refused while saving as a message instead of an error page."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(request.get_full_path())

    def change_url(self, object_id: object) -> str:
        """The address of one row's page."""
        meta = self.model._meta
        return reverse(f"{self.admin_site.name}:{meta.app_label}_{meta.model_name}_change", args=[object_id])


class ReadOnlyAdmin(HouseAdmin):
    """Shows rows and changes none."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):
    """Shows the rows that belong to another and changes none."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ProposedInline(TabularInline):
    """Rows that are written with a proposal and are part of it: shown ever after, never changed."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class FourEyesAdmin(HouseAdmin):
    """One person proposes, another decides; a proposal is never edited, only rejected and made anew.

    The permission to add is the permission to propose; the permission to change is the permission to decide.
    Events are named `<topic>.proposed`, `<topic>.approved` and `<topic>.rejected`. A room that has services
    of its own overrides :meth:`propose`, :meth:`approve` and :meth:`reject`; one that can say before saving
    what it would refuse overrides :meth:`check_proposal`, so that the form shows it at the field.
    """

    topic: str
    actions_detail: tuple[str, ...] = ("approve_proposal", "reject_proposal")

    def propose(self, proposal: Any, *, maker: Any) -> None:
        """Write the proposal that `maker` filled in."""
        approvals.propose(proposal, maker=maker, topic=f"{self.topic}.proposed")

    def approve(self, proposal: Any, *, checker: Any) -> None:
        """Put the proposal in force as `checker`."""
        approvals.approve(proposal, checker=checker, topic=f"{self.topic}.approved")

    def reject(self, proposal: Any, *, checker: Any, reason: str) -> None:
        """Turn the proposal down as `checker`."""
        approvals.reject(proposal, checker=checker, topic=f"{self.topic}.rejected", reason=reason)

    def check_proposal(self, proposal: Any) -> None:
        """Raise a refusal, with the field at fault, when the proposal breaks a rule of its room."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_decide_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return bool(super().has_change_permission(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(super().has_view_permission(request, obj)) or self.has_decide_permission(request)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        is_open = self.model._default_manager.filter(
            pk=object_id, approval=FourEyes.Approval.PROPOSED
        ).exists()
        return super().get_actions_detail(request, object_id) if is_open else []

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        given = tuple(super().get_readonly_fields(request, obj))
        return given + DECISION_FIELDS if obj else given

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        base = super().get_form(request, obj, change, **kwargs)
        check = self.check_proposal

        class ProposalForm(base):  # type: ignore[misc, valid-type]
            def _post_clean(self) -> None:
                super()._post_clean()
                if self.errors:
                    return
                try:
                    check(self.instance)
                except Refusal as refusal:
                    field = refusal.field if refusal.field in self.fields else None
                    self.add_error(field, forms.ValidationError(refusal.message, code=refusal.reason))

        return ProposalForm

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            raise PermissionDenied
        self.propose(obj, maker=request.user)

    @display(description=_("approval"), ordering="approval")
    def approval_state(self, proposal: Any) -> SafeString:
        return coloured(proposal.get_approval_display(), _APPROVAL_COLOURS[proposal.approval])

    @action(
        description=_("Approve"),
        url_path="approve",
        icon="check",
        permissions=["decide"],
        variant=ActionVariant.SUCCESS,
        dialog=dialog(_("Approve"), _("You take responsibility for this as the second person.")),
    )
    def approve_proposal(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        proposal = self._proposal(object_id)
        return carry_out(
            request,
            lambda: self.approve(proposal, checker=request.user),
            done=_("Approved."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Reject"),
        url_path="reject",
        icon="close",
        permissions=["decide"],
        variant=ActionVariant.DANGER,
        dialog=dialog(_("Reject"), form=ReasonForm),
    )
    def reject_proposal(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        proposal = self._proposal(object_id)
        return carry_out(
            request,
            lambda: self.reject(proposal, checker=request.user, reason=form.cleaned_data["reason"]),
            done=_("Rejected."),
            then=self.change_url(object_id),
        )

    def _proposal(self, object_id: object) -> Model:
        return get_object_or_404(self.model, pk=object_id)
