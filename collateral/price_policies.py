"""How old a price may be and how far it may jump, by kind of asset and from a date on; maker and checker."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from ledger.core import approvals, clock
from ledger.core.calendars import EXCHANGE, get_calendar
from ledger.core.errors import Invalid
from ledger.core.models import FourEyes
from ledger.models import Asset

from .checks import exact_for
from .effective import approve_effective, refuse_retroactive
from .models import PricePolicy
from .staleness import Freshness, by_age, by_session

TOPIC = "collateral.price_policy"
SOURCES_MAX: Final = 20


def propose_price_policy(
    *,
    asset_kind: str,
    valid_from: date,
    soft_age_seconds: int,
    hard_age_seconds: int,
    deviation_limit: object,
    maker: AbstractBaseUser,
    counts_sessions: bool = False,
    sources_min: int = 1,
    outlier_limit: object = Decimal("0.02"),
    reason: str = "",
) -> PricePolicy:
    """Propose how prices of a kind of asset are judged from `valid_from` on.

    `deviation_limit` is a fraction of the previous price (0.50 is half), `outlier_limit` of the median of the
    `sources_min` or more sources that must agree (regulation 8.15: two for virtual assets). Raises Invalid (`INEXACT`,
    `OUT_OF_RANGE`, `RETROACTIVE`).
    """
    policy = PricePolicy(
        asset_kind=asset_kind,
        valid_from=valid_from,
        counts_sessions=counts_sessions,
        soft_age_seconds=soft_age_seconds,
        hard_age_seconds=hard_age_seconds,
        deviation_limit=exact_for(PricePolicy, "deviation_limit", deviation_limit),
        sources_min=sources_min,
        outlier_limit=exact_for(PricePolicy, "outlier_limit", outlier_limit),
        reason=reason,
    )
    check_price_policy(policy)
    return approvals.propose(policy, maker=maker, topic=f"{TOPIC}.proposed")


def check_price_policy(policy: PricePolicy) -> None:
    """Raise Invalid where a policy is out of range or would change a past valuation."""
    if policy.asset_kind not in Asset.Kind.values:
        raise Invalid(
            _("%(kind)s is not a kind of asset.") % {"kind": policy.asset_kind},
            field="asset_kind",
            code="OUT_OF_RANGE",
        )
    if not 0 <= policy.soft_age_seconds <= policy.hard_age_seconds:
        raise Invalid(
            _("The soft age may not be longer than the hard age."),
            field="soft_age_seconds",
            code="OUT_OF_RANGE",
        )
    if policy.deviation_limit <= 0:
        raise Invalid(
            _("The deviation limit must be above zero."), field="deviation_limit", code="OUT_OF_RANGE"
        )
    if not 1 <= policy.sources_min <= SOURCES_MAX:
        raise Invalid(
            _("From 1 to %(most)s sources may have to agree.") % {"most": SOURCES_MAX},
            field="sources_min",
            code="OUT_OF_RANGE",
        )
    if not 0 < policy.outlier_limit < 1:
        raise Invalid(
            _("The outlier limit lies between zero and one."), field="outlier_limit", code="OUT_OF_RANGE"
        )
    in_force = price_policies_on(clock.today()).get(policy.asset_kind)
    refuse_retroactive(policy.valid_from, is_effective=in_force not in (None, policy))


def approve_price_policy(policy: PricePolicy, *, checker: AbstractBaseUser) -> PricePolicy:
    """Approve a proposed policy; refusals as in :func:`collateral.effective.approve_effective`."""
    return approve_effective(policy, checker=checker, topic=f"{TOPIC}.approved", check=check_price_policy)


def reject_price_policy(policy: PricePolicy, *, checker: AbstractBaseUser, reason: str) -> PricePolicy:
    """Reject a proposed policy for a reason."""
    return approvals.reject(policy, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


def price_policies_on(on: date) -> dict[str, PricePolicy]:
    """Return the approved policy in force on a day, by kind of asset."""
    rows = PricePolicy.objects.filter(approval=FourEyes.Approval.APPROVED, valid_from__lte=on)
    latest = rows.order_by("asset_kind", "-valid_from").distinct("asset_kind")
    return {policy.asset_kind: policy for policy in latest}


def freshness_at(at: datetime) -> dict[str, Freshness]:
    """Return what counts as stale at `at`, by kind of asset; a kind without an approved policy is absent."""
    policies = price_policies_on(at.astimezone(clock.HONG_KONG).date())
    return {
        kind: by_session(at, get_calendar(EXCHANGE))
        if policy.counts_sessions
        else by_age(at, soft_seconds=policy.soft_age_seconds, hard_seconds=policy.hard_age_seconds)
        for kind, policy in policies.items()
    }
