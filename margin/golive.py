"""Going live: a firm lends nothing before each thing that a margin call needs has been set by two people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext_lazy

from collateral.models import PricePolicy
from ledger.core import approvals, clock
from ledger.core.calendars import STATUTORY, OutsideCalendar, get_calendar
from ledger.core.errors import Conflict, Refusal
from ledger.core.events import record_event
from ledger.models import Asset

from .due_times import unset
from .models import Broker, Launch, MarginPolicy
from .valuations import policy_on

TOPIC: Final = "margin.launch"
CALENDAR_DAYS_AHEAD: Final = 30

REQUIREMENTS: Final[dict[str, Any]] = {
    "policy": gettext_lazy("An approved margin policy in force: levels, minimum call, target, grace"),
    "security_deadline": gettext_lazy("A deadline for calls secured by securities"),
    "virtual_asset_deadline": gettext_lazy("A deadline for calls secured by virtual assets"),
    "price_policies": gettext_lazy("An approved policy on stale prices for each kind of collateral"),
    "calendar": gettext_lazy("Calendars loaded for the next thirty days"),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing a firm needs before it lends, and whether it is there."""

    code: str
    is_met: bool

    @property
    def words(self) -> Any:
        return REQUIREMENTS[self.code]


def readiness(broker: Broker) -> list[Requirement]:
    """Return every requirement of going live and whether the firm meets it now."""
    missing = set(_missing(broker))
    return [Requirement(code, code not in missing) for code in REQUIREMENTS]


def propose_launch(*, broker: Broker, maker: AbstractBaseUser, reason: str = "") -> Launch:
    """Ask for a firm to go live. Raises what :func:`check_launch` raises."""
    launch = Launch(broker=broker, reason=reason)
    check_launch(launch)
    return approvals.propose(launch, maker=maker, topic=f"{TOPIC}.proposed")


@transaction.atomic
def approve_launch(launch: Launch, *, checker: AbstractBaseUser) -> Launch:
    """Let a firm go live, as its second person; checked again, for something may have lapsed since."""
    broker = Broker.objects.select_for_update(no_key=True).get(pk=launch.broker_id)
    _refuse_unready(broker)
    approved = approvals.approve(launch, checker=checker, topic=f"{TOPIC}.approved")
    broker.went_live_at = clock.now()
    broker.save(update_fields=["went_live_at"])
    record_event("margin.broker.went_live", broker, actor=checker.get_username(), broker_code=broker.code)
    return approved


def reject_launch(launch: Launch, *, checker: AbstractBaseUser, reason: str) -> Launch:
    """Turn a launch down, with a reason that is kept."""
    return approvals.reject(launch, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


def check_launch(launch: Launch) -> None:
    """Raise :class:`Conflict` (`not_ready` with what is missing, `already_live`, `already_proposed`)."""
    open_ones = Launch.objects.filter(broker=launch.broker, approval=Launch.Approval.PROPOSED)
    if open_ones.exclude(pk=launch.pk).exists():
        raise Conflict(
            str(gettext_lazy("This firm's launch waits for a decision already.")), code="already_proposed"
        )
    _refuse_unready(Broker.objects.get(pk=launch.broker_id))


def _refuse_unready(broker: Broker) -> None:
    if broker.went_live_at is not None:
        raise Conflict(str(gettext_lazy("This firm has gone live already.")), code="already_live")
    missing = [requirement for requirement in readiness(broker) if not requirement.is_met]
    if missing:
        words = "; ".join(str(requirement.words) for requirement in missing)
        raise Conflict(
            str(gettext_lazy("Still missing: %(what)s.")) % {"what": words},
            code="not_ready",
            missing=[requirement.code for requirement in missing],
        )


def _missing(broker: Broker) -> set[str]:
    missing: set[str] = set()
    today = clock.today()
    try:
        policy: MarginPolicy | None = policy_on(broker, clock.now())
    except Refusal:
        policy = None
    lends_on_coins = broker.va_financing_from is not None
    if policy is None:
        missing |= {"policy", "security_deadline"} | ({"virtual_asset_deadline"} if lends_on_coins else set())
    else:
        missing |= set(unset(policy, lends_on_coins=lends_on_coins))
    kinds = {Asset.Kind.SECURITY} | ({Asset.Kind.VIRTUAL_ASSET} if lends_on_coins else set())
    approved = PricePolicy.objects.filter(approval=PricePolicy.Approval.APPROVED, valid_from__lte=today)
    if not {str(kind) for kind in kinds} <= set(approved.values_list("asset_kind", flat=True)):
        missing.add("price_policies")
    try:
        get_calendar(STATUTORY).day(today + timedelta(days=CALENDAR_DAYS_AHEAD))
    except OutsideCalendar:
        missing.add("calendar")
    return missing
