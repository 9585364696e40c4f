"""When a firm warns, calls and sells; its going live, and its outages: what two people decide."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.core.admin import FourEyesAdmin, ProposedInline
from ledger.core.models import Event
from margin import golive, outages, policies
from margin.models import Broker, CallDeadline, Launch, MarginPolicy, Outage

from .panel import Column, Panel, PanelAdmin, Table, Tile
from .scope import BrokerScope, broker_of
from .show import badge, percent


class DecisionShown(BrokerScope, FourEyesAdmin):
    """A proposal of one firm; its page also shows how it was decided, and only its own people decide."""

    list_select_related: tuple[str, ...] = ("broker", "maker", "checker")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        given = tuple(super().get_fieldsets(request, obj))
        decision = {"fields": ("approval_state", ("maker", "made_at"), ("checker", "checked_at"))}
        return (*given, (_("Decision"), decision)) if obj else given

    def has_decide_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        meta = self.opts
        permission = f"{meta.app_label}.change_{meta.model_name}"
        return super().has_decide_permission(request, object_id) and self.may(request, permission, object_id)


class CallDeadlineInline(ProposedInline):
    model = CallDeadline
    verbose_name_plural = _("Deadlines by tier: so many days and a cut-off, or so many hours")


@admin.register(MarginPolicy)
class MarginPolicyAdmin(DecisionShown):
    topic = policies.TOPIC
    inlines = (CallDeadlineInline,)
    list_display = ("broker", "valid_from", "approval_state", "warns", "calls", "sells", "maker", "checker")
    list_filter = ("approval",)
    list_select_related = ("broker", "maker", "checker")
    ordering = ("-valid_from", "-pk")
    fieldsets = (
        (None, {"fields": (("broker", "valid_from"),)}),
        (
            _("Levels, as fractions: 0.85 is 85%"),
            {
                "fields": (
                    ("warn_utilisation", "call_utilisation"),
                    ("immediate_utilisation", "target_utilisation"),
                    "securities_share_minimum",
                )
            },
        ),
        (
            _("Calls and sales"),
            {
                "fields": (
                    ("minimum_call", "automatic_release_limit"),
                    ("deadline_business_days", "deadline_cutoff"),
                    ("outage_grace_minutes", "price_band"),
                    "reason",
                )
            },
        ),
    )

    def check_proposal(self, proposal: MarginPolicy) -> None:
        policies.check_policy(proposal)

    def approve(self, proposal: MarginPolicy, *, checker: Any) -> None:
        policies.approve_policy(proposal, checker=checker)

    @display(description=_("warn above"), ordering="warn_utilisation")
    def warns(self, policy: MarginPolicy) -> str:
        return percent(policy.warn_utilisation)

    @display(description=_("call above"), ordering="call_utilisation")
    def calls(self, policy: MarginPolicy) -> str:
        return percent(policy.call_utilisation)

    @display(description=_("immediate from"), ordering="immediate_utilisation")
    def sells(self, policy: MarginPolicy) -> str:
        return percent(policy.immediate_utilisation)


@admin.register(Launch)
class LaunchAdmin(PanelAdmin, DecisionShown):
    topic = golive.TOPIC
    list_display = ("broker", "approval_state", "made_at", "maker", "checker")
    list_filter = ("approval",)
    list_select_related = ("broker", "maker", "checker")
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": ("broker", "reason"),
                "description": _(
                    "Nothing is lent before a firm has gone live, and it goes live when nothing is missing."
                ),
            },
        ),
    )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model is Broker and broker_of(request.user) is None:
            kwargs["queryset"] = Broker.objects.filter(went_live_at__isnull=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def check_proposal(self, proposal: Launch) -> None:
        golive.check_launch(proposal)

    def propose(self, proposal: Launch, *, maker: Any) -> None:
        proposal.pk = golive.propose_launch(broker=proposal.broker, reason=proposal.reason, maker=maker).pk

    def approve(self, proposal: Launch, *, checker: Any) -> None:
        golive.approve_launch(proposal, checker=checker)

    def panel(self, request: HttpRequest, row: Launch) -> Panel:
        rows = [
            [
                requirement.words,
                badge(_("Set"), "success") if requirement.is_met else badge(_("Missing"), "danger"),
            ]
            for requirement in golive.readiness(row.broker)
        ]
        return Panel(
            tables=(Table(_("What going live needs"), (Column(_("Requirement")), Column(_("State"))), rows),)
        )


@admin.register(Outage)
class OutageAdmin(PanelAdmin, DecisionShown):
    topic = outages.TOPIC
    list_display = ("broker", "began_at", "ended_at", "what", "approval_state", "maker", "checker")
    list_filter = ("approval",)
    list_select_related = ("broker", "maker", "checker")
    ordering = ("-began_at", "-pk")
    fieldsets = (
        (
            None,
            {
                "fields": (("broker", "what"), ("began_at", "ended_at"), "reason"),
                "description": _(
                    "Once a second person approves it, no call falls due between its beginning and the policy's"
                    " grace after its end."
                ),
            },
        ),
    )

    def check_proposal(self, proposal: Outage) -> None:
        outages.check_outage(proposal)

    def propose(self, proposal: Outage, *, maker: Any) -> None:
        proposal.pk = outages.propose_outage(
            broker=proposal.broker,
            began_at=proposal.began_at,
            ended_at=proposal.ended_at,
            what=proposal.what,
            reason=proposal.reason,
            maker=maker,
        ).pk

    def approve(self, proposal: Outage, *, checker: Any) -> None:
        outages.approve_outage(proposal, checker=checker)

    def panel(self, request: HttpRequest, row: Outage) -> Panel:
        moved = Event.objects.filter(topic="margin.call.due_time_moved", payload__outage=row.pk).count()
        return Panel(tiles=(Tile(_("Due times moved"), moved),))
