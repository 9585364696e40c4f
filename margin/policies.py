"""The margin policy of a firm, proposed with its deadlines by one person and approved by another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from collateral.effective import approve_effective, refuse_retroactive
from ledger.core import approvals

from .models import Broker, CallDeadline, MarginPolicy
from .rows import check_row

TOPIC: Final = "margin.policy"


@transaction.atomic
def propose_policy(
    *,
    broker: Broker,
    maker: AbstractBaseUser,
    deadlines: Sequence[Mapping[str, Any]] = (),
    **terms: Any,
) -> MarginPolicy:
    """Propose a policy with a deadline for each tier; it has no effect until somebody else approves it.

    `terms` are the columns of :class:`MarginPolicy`, `deadlines` those of :class:`CallDeadline`. Raises
    :class:`Invalid` with the field at fault, and `RETROACTIVE` for a day before today when a policy is in
    force: a past call must replay to the same deadline.
    """
    policy = MarginPolicy(broker=broker, **terms)
    check_policy(policy)
    policy.maker_id = maker.pk
    check_row(policy, exclude={"made_at", "checker", "maker"})
    proposed = approvals.propose(policy, maker=maker, topic=f"{TOPIC}.proposed")
    for terms_of_tier in deadlines:
        tier = CallDeadline(policy=proposed, **terms_of_tier)
        check_row(tier, prefix="deadlines.")
        tier.save(force_insert=True)
    return proposed


def check_policy(policy: MarginPolicy) -> None:
    """Raise :class:`Invalid` (`RETROACTIVE`) for a policy that would reach into the past."""
    refuse_retroactive(policy.valid_from, is_effective=_is_effective(policy))


def approve_policy(policy: MarginPolicy, *, checker: AbstractBaseUser) -> MarginPolicy:
    """Put a policy in force from its day on, as its second person.

    Raises :class:`Conflict` (`already_effective`, `already_decided`) and :class:`Forbidden`
    (`maker_is_checker`).
    """
    return approve_effective(policy, checker=checker, topic=f"{TOPIC}.approved", check=check_policy)


def reject_policy(policy: MarginPolicy, *, checker: AbstractBaseUser, reason: str) -> MarginPolicy:
    """Turn a policy down, with a reason that is kept."""
    return approvals.reject(policy, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


def _is_effective(policy: MarginPolicy) -> bool:
    approved = MarginPolicy.objects.filter(
        broker_id=policy.broker_id, approval=MarginPolicy.Approval.APPROVED
    )
    return approved.exclude(pk=policy.pk).exists()
