"""Corporate actions: proposed by one person, approved by another, carried out by the clock; whom they give what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from ledger.core.admin import FourEyesAdmin, carry_out, coloured, dialog, show_quantity
from ledger.core.decimals import decimal_places, from_atoms
from ledger.core.errors import Refusal
from ledger.core.models import FourEyes
from ledger.corporate_actions import actions, proposals
from ledger.models import Asset, Book, CorporateAction, Entitlement, Location

from . import show
from .scope import confinement

ROWS_SHOWN_MAX: Final = 200
STAGE_COLOURS: Final = {"waiting": "info", "applied": "warning", "completed": "success"}
STATUS_COLOURS: Final = {"pending": "warning", "booked": "info", "paid": "success"}

show.register_cause(
    "corporate-action",
    lambda name: (
        CorporateAction.objects.select_related("asset").filter(pk=name).first() if name.isdecimal() else None
    ),
)


class CorporateActionForm(forms.ModelForm):
    """Takes assets by their codes and numbers as text, so that nothing is rounded on its way in."""

    asset = forms.CharField(label=_("Asset"), max_length=16, widget=UnfoldAdminTextInputWidget())
    other_asset = forms.CharField(
        label=_("Asset given"),
        max_length=16,
        required=False,
        help_text=_("Of a bonus in another asset; empty for the same."),
        widget=UnfoldAdminTextInputWidget(),
    )
    amount = forms.CharField(
        label=_("Amount per unit"),
        max_length=80,
        required=False,
        help_text=_("Of a cash dividend."),
        widget=UnfoldAdminTextInputWidget(),
    )
    fraction_price = forms.CharField(
        label=_("Price for fractions"),
        max_length=80,
        required=False,
        help_text=_("Per unit of what is given, paid for what cannot be delivered; empty where nothing is."),
        widget=UnfoldAdminTextInputWidget(),
    )
    currency = forms.ModelChoiceField(
        label=_("Currency"),
        queryset=Asset.objects.filter(kind=Asset.Kind.FIAT).order_by("code"),
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    location = forms.ModelChoiceField(
        label=_("Location"),
        queryset=Location.objects.order_by("code"),
        required=False,
        help_text=_("Empty for wherever the asset lies."),
        widget=UnfoldAdminSelectWidget(),
    )

    class Meta:
        model = CorporateAction
        fields = (
            "reference",
            "kind",
            "asset",
            "location",
            "ratio_new",
            "ratio_old",
            "other_asset",
            "amount",
            "fraction_price",
            "currency",
            "ex_on",
            "record_on",
            "pay_on",
            "reason",
        )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        readers: dict[str, Callable[[str, str], object]] = {
            "asset": proposals.asset_of,
            "other_asset": proposals.asset_of,
            "amount": proposals.number_of,
            "fraction_price": proposals.number_of,
        }
        for name, read in readers.items():
            text = given.get(name)
            try:
                given[name] = read(text, name) if text else None
            except Refusal as refusal:
                self.add_error(name, forms.ValidationError(refusal.message, code=refusal.reason))
        if not self.errors:
            # Here, because the constraints of the model would only say which of them is broken.
            try:
                proposals.check_terms(CorporateAction(**given))
            except Refusal as refusal:
                self.add_error(refusal.field, forms.ValidationError(refusal.message, code=refusal.reason))
        return given


@dataclass(frozen=True, slots=True)
class Line:
    """What one account is given, as it is shown."""

    account: object
    holding: str
    entitled: str
    fraction: str
    cash: str
    status: object
    held_up_by: str


@dataclass(frozen=True, slots=True)
class Holders:
    """The head of an action's page; `left_out` counts the accounts beyond what a page can show."""

    is_preview: bool
    progress: actions.Progress
    rows: list[Line]
    left_out: int


@admin.register(CorporateAction)
class CorporateActionAdmin(FourEyesAdmin):
    topic = proposals.TOPIC
    form = CorporateActionForm
    change_form_outer_before_template = "ledger/corporate_action.html"
    list_display = ("reference", "asset", "kind", "terms", "ex_on", "pay_on", "approval_state", "stage_state")
    list_filter = ("approval", "stage", "kind", "ex_on")
    list_select_related = ("asset", "other_asset", "currency", "maker", "checker")
    search_fields = ("reference", "asset__code__exact")
    search_help_text = _("The number of an announcement or the code of an asset.")
    ordering = ("-ex_on", "-pk")
    nothing_yet = _(
        "When an issuer announces a split, a bonus issue or a dividend, propose it here; a second person"
        " approves it, and it is carried out on its day."
    )
    actions_detail = ("approve_proposal", "reject_proposal", "carry_out_action")
    readonly_fields = ("terms", "stage_state", "applied_at", "completed_at")
    fieldsets = (
        (None, {"fields": (("reference", "kind"), ("asset", "location"), "reason")}),
        (_("Shares"), {"fields": (("ratio_new", "ratio_old"), "other_asset")}),
        (_("Money"), {"fields": (("amount", "currency"), "fraction_price")}),
        (_("Days"), {"fields": ("ex_on", ("record_on", "pay_on"))}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A proposal that was made shows its terms in words, its decision and how far it has come."""
        if obj is None:
            return self.fieldsets
        shown = (
            ("reference", "kind"),
            ("asset", "location"),
            ("terms",),
            ("ex_on", "record_on", "pay_on"),
            "reason",
        )
        decision = ("approval_state", ("maker", "made_at"), ("checker", "checked_at"))
        progress = (("stage_state", "applied_at", "completed_at"),)
        return (
            (None, {"fields": shown}),
            (_("Decision"), {"fields": decision}),
            (_("Progress"), {"fields": progress}),
        )

    def propose(self, proposal: CorporateAction, *, maker: Any) -> None:
        proposals.propose_action(proposal, maker=maker)

    def approve(self, proposal: CorporateAction, *, checker: Any) -> None:
        proposals.approve(proposal, checker=checker)

    def reject(self, proposal: CorporateAction, *, checker: Any, reason: str) -> None:
        proposals.reject(proposal, checker=checker, reason=reason)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """The decision while it is open, and carrying out once it was approved."""
        row = CorporateAction.objects.filter(pk=object_id).first()
        if row is None or row.approval == FourEyes.Approval.PROPOSED:
            buttons = super().get_actions_detail(request, object_id)
            return [
                button for button in buttons if button.method.original_function_name != "carry_out_action"
            ]
        if row.approval != FourEyes.Approval.APPROVED or row.stage == CorporateAction.Stage.COMPLETED:
            return []
        buttons = super(FourEyesAdmin, self).get_actions_detail(request, object_id)
        return [button for button in buttons if button.method.original_function_name == "carry_out_action"]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context["holders"] = self.holders(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def holders(self, request: HttpRequest, row: CorporateAction) -> Holders:
        """What the action gives to the accounts of the books that the person at the screen may see."""
        confined = confinement(request.user)
        book = Book(pk=confined.book_id) if confined else None
        is_preview = row.stage == CorporateAction.Stage.WAITING
        rows = actions.preview(row, book=book) if is_preview else actions.written_down(row, book=book)
        progress = actions.progress_of(row, book=book)
        number = len(rows) if isinstance(rows, list) else progress.accounts
        return Holders(
            is_preview=is_preview,
            progress=progress,
            rows=[_line(row, entitlement) for entitlement in rows[:ROWS_SHOWN_MAX]],
            left_out=max(number - ROWS_SHOWN_MAX, 0),
        )

    @display(description=_("terms"))
    def terms(self, row: CorporateAction) -> SafeString:
        """The terms as one would say them: 5 : 1, 1 : 20 of 02999, 2.40 HKD."""
        if row.kind == CorporateAction.Kind.CASH_DIVIDEND:
            return format_html("{} {}", _figure(row.amount), row.currency)
        ratio = format_html("{} : {}", row.ratio_new, row.ratio_old)
        if row.other_asset is not None:
            ratio = format_html("{} {}", ratio, row.other_asset)
        if row.fraction_price is None:
            return ratio
        return format_html("{} · {} {}", ratio, _figure(row.fraction_price), row.currency)

    @display(description=_("stage"), ordering="stage")
    def stage_state(self, row: CorporateAction) -> SafeString:
        return coloured(row.get_stage_display(), STAGE_COLOURS[row.stage])

    @action(
        description=_("Carry out"),
        url_path="carry-out",
        icon="play_arrow",
        permissions=["decide"],
        variant=ActionVariant.PRIMARY,
        dialog=dialog(_("Carry out"), _("Does now what the clock does by itself on the day; never twice.")),
    )
    def carry_out_action(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row = get_object_or_404(CorporateAction, pk=object_id)
        return carry_out(
            request,
            lambda: actions.carry_out(action=row, actor=request.user.get_username()),
            done=_("Carried out as far as it goes today."),
            then=self.change_url(object_id),
        )


def _line(row: CorporateAction, entitlement: Entitlement) -> Line:
    fraction, money = entitlement.fraction, row.currency
    cash = entitlement.cash_atoms
    return Line(
        account=show.link(entitlement.account) if entitlement.account_id else str(entitlement.account),
        holding=_units(row.asset, entitlement.holding_atoms),
        entitled=_units(row.given, entitlement.entitled_atoms),
        fraction=f"{fraction.numerator}/{fraction.denominator}" if fraction else show.NOTHING,
        cash=f"{_units(money, cash)} {money.code}" if money and cash else show.NOTHING,
        status=coloured(entitlement.get_status_display(), STATUS_COLOURS[entitlement.status]),
        held_up_by=entitlement.held_up_by,
    )


def _units(asset: Asset, atoms: int) -> str:
    return show_quantity(from_atoms(atoms, asset.scale), asset.scale)


def _figure(number: Any) -> str:
    return show_quantity(number, max(decimal_places(number), 2))
