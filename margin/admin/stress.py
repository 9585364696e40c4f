"""Stress tests in the back office: scenarios that two people set, what they would cost, and where accounts break."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from ledger.core.admin import FourEyesAdmin, ProposedInline, ReadOnlyAdmin, carry_out, dialog
from ledger.core.errors import Refusal
from margin.models import ScenarioSet, StressBreakEven, StressResult, StressRun, StressScenario
from margin.stress import sets
from margin.stress.prices import break_even_of
from margin.stress.runs import run_stress

from .movements import actor
from .panel import Panel, PanelAdmin
from .policy import DecisionShown
from .show import level_badge, list_of, money
from .stress_panels import break_even_charts, break_even_table, fall, stress_panel


class ScenarioForm(forms.ModelForm):
    """One row of a proposal; a row without a code is left out."""

    def has_changed(self) -> bool:
        return bool(self["code"].value()) if self.is_bound else bool(super().has_changed())

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        row = StressScenario(named=given.get("named") or "", currency=given.get("currency") or "")
        try:
            sets.check_assets(row)
        except Refusal as refusal:
            self.add_error(refusal.field, forms.ValidationError(refusal.message, code=refusal.reason))
        given["named"] = " ".join(row.named.split())
        return given


class ScenarioInline(ProposedInline):
    model = StressScenario
    form = ScenarioForm
    max_num = sets.SCENARIOS_MAX
    verbose_name_plural = _(
        "Scenarios, as fractions: -0.20 is a fall of 20%; a row without a code is left out"
    )
    fields = (
        "number",
        "code",
        "kind",
        "name",
        "securities",
        "virtual_assets",
        "named",
        "named_change",
        "currency",
        "currency_change",
    )

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, **kwargs, validate_max=True)

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else len(sets.SUGGESTED)


@admin.register(ScenarioSet)
class ScenarioSetAdmin(DecisionShown):
    topic = sets.TOPIC
    nothing_yet = _(
        "No stress test is run before two people have set its scenarios. "
        "Propose a set: a usual one is filled in; then let a second person approve it."
    )
    inlines = (ScenarioInline,)
    list_display = ("broker", "version_shown", "valid_from", "approval_state", "count", "maker", "checker")
    list_filter = ("approval",)
    list_select_related = ("broker", "maker", "checker")
    ordering = ("-valid_from", "-pk")
    fieldsets = ((None, {"fields": (("broker", "valid_from"), "reason")}),)
    actions_detail = ("approve_proposal", "reject_proposal", "run_now")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("scenarios")

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        """A new proposal opens with the usual scenarios filled in."""
        given: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if obj.pk is None and request.method == "GET":
            given["initial"] = [
                {"number": number, **terms} for number, terms in enumerate(sets.SUGGESTED, start=1)
            ]
        return given

    def has_run_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.add_stressrun", object_id)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """An open proposal is decided; an approved set is run."""
        buttons = super(FourEyesAdmin, self).get_actions_detail(request, object_id)
        approval = ScenarioSet.objects.filter(pk=object_id).values_list("approval", flat=True).first()
        offered = {"proposed": ("approve_proposal", "reject_proposal"), "approved": ("run_now",)}
        shown = offered.get(approval or "", ())
        return [button for button in buttons if button.method.original_function_name in shown]

    @action(
        description=_("Run now"),
        url_path="run",
        icon="play_arrow",
        permissions=["run"],
        variant=ActionVariant.PRIMARY,
        dialog=dialog(_("Run now"), _("Every borrowing account is valued under every scenario.")),
    )
    def run_now(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        chosen = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: run_stress(broker=chosen.broker, scenario_set=chosen, actor=actor(request)),
            done=_("Stress test run."),
            then=list_of(StressRun, scenario_set__id__exact=chosen.pk),
        )

    def check_proposal(self, proposal: ScenarioSet) -> None:
        sets.check_day(proposal)

    def propose(self, proposal: ScenarioSet, *, maker: Any) -> None:
        """The scenarios of the form are written after it, while the set is still proposed."""
        made = sets.propose_set(
            broker=proposal.broker, valid_from=proposal.valid_from, reason=proposal.reason, maker=maker
        )
        proposal.pk, proposal.version = made.pk, made.version

    def approve(self, proposal: ScenarioSet, *, checker: Any) -> None:
        sets.approve_set(proposal, checker=checker)

    def reject(self, proposal: ScenarioSet, *, checker: Any, reason: str) -> None:
        sets.reject_set(proposal, checker=checker, reason=reason)

    @display(description=_("version"), ordering="version")
    def version_shown(self, row: ScenarioSet) -> str:
        return f"v{row.version}"

    @display(description=_("scenarios"))
    def count(self, row: ScenarioSet) -> int:
        return len(row.scenarios.all())


@admin.register(StressRun)
class StressRunAdmin(PanelAdmin, ReadOnlyAdmin):
    nothing_yet = _(
        "The scheduler runs a stress test each month once a firm has an approved set of scenarios; "
        "the page of a set runs one at once."
    )
    list_display = ("stressed_at", "broker", "month_shown", "account_count", "worst", "scenario_set")
    list_filter = ("scenario_set",)
    list_select_related = ("broker", "scenario_set__broker")
    ordering = ("-pk",)
    fields = (("broker", "scenario_set", "policy"), ("stressed_at", "month", "actor"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .select_related("broker", "scenario_set__broker", "policy__broker")
            .prefetch_related("totals__scenario")
        )

    @display(description=_("month"), ordering="month")
    def month_shown(self, run: StressRun) -> Any:
        return f"{run.month:%Y-%m}" if run.month else _("on demand")

    @display(description=_("worst loss"))
    def worst(self, run: StressRun) -> str:
        return money(max((total.loss for total in run.totals.all()), default=None))

    def panel(self, request: HttpRequest, row: StressRun) -> Panel:
        return stress_panel(row)


class OfRun(PanelAdmin, ReadOnlyAdmin):
    """Rows of a stress test, one for each facility."""

    broker_path = "run__broker"
    list_select_related: tuple[str, ...] = ("run__broker", "facility__client")
    search_fields = ("facility__client__number", "facility__client__name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    @display(description=_("client"), ordering="facility__client__number")
    def client(self, row: Any) -> str:
        return str(row.facility.client)


@admin.register(StressResult)
class StressResultAdmin(OfRun):
    nothing_yet = _("Each stress test writes how every borrowing account stands under every scenario.")
    list_display = ("run", "scenario_shown", "client", "level_shown", "loan", "market_value", "short", "lost")
    list_filter = ("level", "scenario")
    list_select_related = ("run__broker", "scenario", "facility__client")
    ordering = ("-run", "-loss", "-deficiency", "pk")
    fields = (
        ("run", "facility", "scenario"),
        ("loan", "market_value", "margin_value"),
        ("deficiency", "loss", "level"),
    )

    @display(description=_("stress scenario"), ordering="scenario__number")
    def scenario_shown(self, row: StressResult) -> Any:
        return row.scenario or _("as it stands")

    @display(description=_("level"), ordering="level")
    def level_shown(self, row: StressResult) -> SafeString:
        return level_badge(row.level)

    @display(description=_("margin deficiency"), ordering="deficiency")
    def short(self, row: StressResult) -> str:
        return money(row.deficiency)

    @display(description=_("loss to the lender"), ordering="loss")
    def lost(self, row: StressResult) -> str:
        return money(row.loss)


@admin.register(StressBreakEven)
class StressBreakEvenAdmin(OfRun):
    nothing_yet = _("Each stress test writes how far prices must fall until an account breaks.")
    list_display = ("run", "client", "of", "call_shown", "immediate_shown", "loss_shown")
    list_filter = ("of",)
    ordering = ("-run", "to_loss", "pk")
    fields = (("run", "facility", "of"), ("to_call", "to_immediate", "to_loss"))

    @display(description=_("until a call"), ordering="to_call")
    def call_shown(self, row: StressBreakEven) -> Any:
        return fall(row.to_call)

    @display(description=_("until an immediate sale"), ordering="to_immediate")
    def immediate_shown(self, row: StressBreakEven) -> Any:
        return fall(row.to_immediate)

    @display(description=_("until a loss"), ordering="to_loss")
    def loss_shown(self, row: StressBreakEven) -> Any:
        return fall(row.to_loss)

    def panel(self, request: HttpRequest, row: StressBreakEven) -> Panel:
        """How the account stands now, price by price."""
        facility = row.facility
        try:
            now = break_even_of(facility)
        except Refusal:
            return Panel()
        return Panel(charts=break_even_charts(now), tables=(break_even_table(now),))
