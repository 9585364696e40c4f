"""The buttons of a forced sale: submit, release, reject; two people, one plan hash."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminPasswordWidget

from ledger.core.admin import ReasonForm, carry_out, dialog
from margin.models import ForcedSale
from margin.sales.release import approve_sale, reject_sale, submit_for_release

from .panel import PanelAdmin
from .show import money, quantity

RELEASE_PERMISSION = "margin.change_forcedsale"


class ReleaseForm(BaseDialogForm):
    """What a checker reads and confirms: the plan, by its hash, and who they are."""

    form_before_template = "margin/release_dialog.html"

    plan_hash = forms.CharField(widget=forms.HiddenInput)
    password = forms.CharField(
        label=_("Your password"), widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sale: ForcedSale = get_object_or_404(
            ForcedSale.objects.select_related("call__facility__client"), pk=self.object_id
        )
        self.fields["plan_hash"].initial = self.sale.plan_hash
        if not self.request.user.has_usable_password():
            del self.fields["password"]

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self.request.user.check_password(password):
            raise forms.ValidationError(_("This is not your password."), code="wrong_password")
        return password

    def get_before_template_context(self, request: HttpRequest, object_id: Any = None) -> dict[str, Any]:
        legs = self.sale.legs.select_related("asset").order_by("position")
        return {
            "sale": self.sale,
            "expected_gross": money(self.sale.expected_gross),
            "legs": [(leg.asset.code, quantity(leg.quantity), money(leg.expected_gross)) for leg in legs],
        }


class ReleaseButtons(PanelAdmin):
    """Shows the buttons that the state of a sale allows, to those who may press them."""

    actions_detail = ("submit_for_release", "approve_release", "reject_release")
    BUTTONS = {
        ForcedSale.Status.PLANNED.value: {"submit_for_release"},
        ForcedSale.Status.SUBMITTED.value: {"approve_release", "reject_release"},
    }

    def has_release_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, RELEASE_PERMISSION, object_id)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        status = ForcedSale.objects.filter(pk=object_id).values_list("status", flat=True).first()
        offered = self.BUTTONS.get(status or "", set())
        return [
            button
            for button in super().get_actions_detail(request, object_id)
            if button.method.original_function_name in offered
        ]

    @action(
        description=_("Submit for release"),
        url_path="submit",
        icon="outbox",
        permissions=["release"],
        variant=ActionVariant.PRIMARY,
        dialog=dialog(
            _("Submit for release"),
            _("You become the maker of this sale; somebody else has to release it."),
        ),
    )
    def submit_for_release(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        sale = self._sale(request, object_id)
        return carry_out(
            request,
            lambda: submit_for_release(sale=sale, maker=_person(request)),
            done=_("Submitted: a second person can release it now."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Approve release"),
        url_path="approve",
        icon="check",
        permissions=["release"],
        variant=ActionVariant.SUCCESS,
        dialog=dialog(
            _("Approve release"),
            _("You release exactly the plan below; orders go out at once."),
            ReleaseForm,
        ),
    )
    def approve_release(self, request: HttpRequest, form: ReleaseForm, object_id: str) -> HttpResponse:
        sale = self._sale(request, object_id)
        return carry_out(
            request,
            lambda: approve_sale(
                sale=sale, checker=_person(request), plan_hash=form.cleaned_data["plan_hash"]
            ),
            done=_("Released: the sale is being executed."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Reject"),
        url_path="reject",
        icon="close",
        permissions=["release"],
        variant=ActionVariant.DANGER,
        dialog=dialog(_("Reject"), _("The sale is planned afresh. Your reason is kept."), ReasonForm),
    )
    def reject_release(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        sale = self._sale(request, object_id)
        return carry_out(
            request,
            lambda: reject_sale(sale=sale, checker=_person(request), reason=form.cleaned_data["reason"]),
            done=_("Rejected."),
            then=self.change_url(object_id),
        )

    def _sale(self, request: HttpRequest, object_id: object) -> ForcedSale:
        return get_object_or_404(self.get_queryset(request), pk=object_id)


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise TypeError("only a signed-in person releases a sale")
    return request.user
