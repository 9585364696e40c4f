"""Waivers, disputes, deviations and cancellations: each with its reason, its risk, two people and an end.

Approving carries out what was proposed. A dispute is different in one way: it stands as soon as the client
raises it, and the second person says whether it was right.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core import approvals, clock
from ledger.core.decimals import InexactValue, to_atoms
from ledger.core.errors import Conflict, Invalid
from ledger.core.events import SYSTEM

from .due_times import lock_call
from .lifecycle import supersede_plans, transition
from .models import Broker, CallDecision, ForcedSale, MarginCall, Valuation

TOPIC: Final = "margin.decision"
Kind = CallDecision.Kind
MAY_BE_DISPUTED: Final = (*MarginCall.RUNNING, MarginCall.Status.OVERDUE)
UNDER_WAY: Final = (ForcedSale.Status.EXECUTING, ForcedSale.Status.FILLED)


def check_decision(decision: CallDecision) -> None:
    """Raise :class:`Invalid` with the field at fault, or :class:`Conflict` when the call stands otherwise.

    Codes: `reason_required`, `risk_assessment_required`, `expiry_required`, `expired`, `inexact`,
    `not_positive`, `more_than_called`, `wrong_state`, `sale_under_way`.
    """
    if not decision.reason.strip():
        raise Invalid(_("A decision needs a reason."), field="reason", code="reason_required")
    if decision.kind != Kind.CANCELLATION:
        _check_weighed(decision)
    if decision.amount is not None:
        _check_amount(decision)
    _check_state(decision)


@transaction.atomic
def propose_decision(
    *,
    call: MarginCall,
    kind: str,
    reason_code: str,
    reason: str,
    maker: AbstractBaseUser,
    risk_assessment: str = "",
    amount: Decimal | None = None,
    expires_at: datetime | None = None,
) -> CallDecision:
    """Propose to step away from the course of a call; a dispute takes hold at once.

    Raises what :func:`check_decision` raises and :class:`Conflict` (`already_proposed`).
    """
    locked = lock_call(call.pk)
    decision = CallDecision(
        call=locked,
        kind=kind,
        reason_code=reason_code,
        reason=reason,
        risk_assessment=risk_assessment,
        amount=amount,
        expires_at=expires_at,
        state_before=locked.status,
    )
    check_decision(decision)
    if locked.decisions.filter(kind=kind, approval=CallDecision.Approval.PROPOSED).exists():
        raise Conflict(_("Such a decision waits to be taken already."), code="already_proposed")
    proposed = approvals.propose(decision, maker=maker, topic=f"{TOPIC}.proposed")
    if kind == Kind.DISPUTE:
        transition(
            locked,
            "disputed",
            actor=maker.get_username(),
            reason=reason,
            inputs={"decision": proposed.pk, "reason_code": reason_code},
        )
    return proposed


@transaction.atomic
def approve_decision(decision: CallDecision, *, checker: AbstractBaseUser) -> CallDecision:
    """Carry a decision out as its second person: waive, hold the sale back, or take the call back.

    Raises :class:`Forbidden` (`maker_is_checker`), :class:`Conflict` (`already_decided`, `wrong_state`,
    `sale_under_way`) and :class:`Invalid` (`expired`).
    """
    call = lock_call(decision.call_id)
    decision.call = call
    _check_still(decision)
    approved = approvals.approve(decision, checker=checker, topic=f"{TOPIC}.approved")
    if decision.kind == Kind.WAIVER:
        _close(call, "waived", decision, checker)
    elif decision.kind in (Kind.CANCELLATION, Kind.DISPUTE):
        _close(call, "cancelled", decision, checker)
    return approved


@transaction.atomic
def reject_decision(decision: CallDecision, *, checker: AbstractBaseUser, reason: str) -> CallDecision:
    """Turn a proposal down with a reason; a call whose dispute is not upheld goes back to where it was."""
    call = lock_call(decision.call_id)
    rejected = approvals.reject(decision, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)
    if rejected.kind == Kind.DISPUTE and call.status == MarginCall.Status.DISPUTED:
        _return(call, rejected, actor=checker.get_username(), reason=reason)
    return rejected


def lapse_disputes(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Return calls whose dispute ran out undecided to where they were; returns how many."""
    run_out = CallDecision.objects.filter(
        call__facility__client__broker=broker,
        call__status=MarginCall.Status.DISPUTED,
        kind=Kind.DISPUTE,
        approval=CallDecision.Approval.PROPOSED,
        expires_at__lte=clock.now(),
    ).order_by("call__facility_id")
    return sum(_lapse(pk, actor) for pk in list(run_out.values_list("pk", flat=True)))


def is_waived(valuation: Valuation) -> bool:
    """Whether a waiver that has not expired covers the deficiency of a valuation."""
    return any(
        waiver.amount is None or valuation.deficiency <= waiver.amount
        for waiver in CallDecision.objects.filter(
            call__facility=valuation.facility_id,
            kind=Kind.WAIVER,
            approval=CallDecision.Approval.APPROVED,
            expires_at__gt=clock.now(),
        )
    )


def is_held_back(call: MarginCall) -> bool:
    """Whether an approved deviation that has not expired holds the sale of a call back; never an immediate one."""
    return (
        not call.is_immediate
        and call.decisions.filter(
            kind=Kind.DEVIATION, approval=CallDecision.Approval.APPROVED, expires_at__gt=clock.now()
        ).exists()
    )


def disputed_amount(call: MarginCall) -> Decimal:
    """Return how much of a disputed call is in dispute: all of it unless a part was named."""
    dispute = call.decisions.filter(kind=Kind.DISPUTE).order_by("-pk").first()
    called: Decimal = call.amount.amount
    return called if dispute is None or dispute.amount is None else min(dispute.amount, called)


def _check_weighed(decision: CallDecision) -> None:
    if not decision.risk_assessment.strip():
        raise Invalid(
            _("Say what may be lost meanwhile, and why that is borne."),
            field="risk_assessment",
            code="risk_assessment_required",
        )
    if decision.expires_at is None:
        raise Invalid(_("This decision needs an end."), field="expires_at", code="expiry_required")
    if decision.expires_at <= clock.now():
        raise Invalid(_("The end lies in the past."), field="expires_at", code="expired")


def _check_amount(decision: CallDecision) -> None:
    amount = decision.amount
    try:
        atoms = to_atoms(amount, 2)
    except InexactValue as error:
        raise Invalid(str(error), field="amount", code="inexact") from error
    if atoms <= 0:
        raise Invalid(_("An amount must be above zero."), field="amount", code="not_positive")
    if decision.kind == Kind.DISPUTE and amount is not None and amount > decision.call.amount.amount:
        raise Invalid(_("More than was called cannot be disputed."), field="amount", code="more_than_called")


def _check_state(decision: CallDecision) -> None:
    call = decision.call
    allowed = MAY_BE_DISPUTED if decision.kind == Kind.DISPUTE else MarginCall.OPEN
    if call.status not in allowed:
        raise Conflict(
            _("This is not possible while the call is: %(state)s.") % {"state": call.get_status_display()},
            code="wrong_state",
        )
    if decision.kind != Kind.DEVIATION and call.sales.filter(status__in=UNDER_WAY).exists():
        raise Conflict(_("A sale for this call is under way."), code="sale_under_way")


def _check_still(decision: CallDecision) -> None:
    """What was true when it was proposed has to be true when it is approved."""
    if decision.approval != CallDecision.Approval.PROPOSED:
        return
    if decision.kind != Kind.DISPUTE:
        check_decision(decision)
    elif decision.call.status != MarginCall.Status.DISPUTED:
        raise Conflict(_("The call is in dispute no more."), code="wrong_state")


def _close(call: MarginCall, event: str, decision: CallDecision, checker: AbstractBaseUser) -> None:
    supersede_plans(call, actor=checker.get_username(), reason=f"call {event}")
    transition(
        call,
        event,
        actor=checker.get_username(),
        reason=decision.reason,
        inputs={"decision": decision.pk, "reason_code": decision.reason_code},
        closed_at=clock.now(),
    )


def _return(call: MarginCall, dispute: CallDecision, *, actor: str, reason: str) -> None:
    transition(
        call,
        f"returned_to_{dispute.state_before}",
        actor=actor,
        reason=reason,
        inputs={"decision": dispute.pk},
    )


@transaction.atomic
def _lapse(decision_id: int, actor: str) -> int:
    dispute = CallDecision.objects.get(pk=decision_id)
    call = lock_call(dispute.call_id)
    dispute.refresh_from_db()
    if (
        call.status != MarginCall.Status.DISPUTED
        or dispute.approval != CallDecision.Approval.PROPOSED
        or dispute.pk != call.decisions.filter(kind=Kind.DISPUTE).latest("pk").pk
    ):
        return 0
    _return(call, dispute, actor=actor, reason="the dispute ran out undecided")
    return 1
