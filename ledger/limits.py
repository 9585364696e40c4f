"""Limits of accounts: a floor and a ceiling from a day on, proposed by one person and approved by another.

A limit that is due comes in force when it is approved; one of a later day by :func:`apply_due`, which may run as often
as it likes. From then on the account's balance carries its bounds and names it. Limits come in force in the order of
their days, and one that a later limit has overtaken never does.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, time, timedelta
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from ledger.core import approvals, clock
from ledger.core.decimals import InexactValue, from_atoms, plain, to_atoms
from ledger.core.errors import Conflict, Invalid
from ledger.core.events import SYSTEM, record_event
from ledger.core.models import FourEyes

from .models import Account, AccountLimit, Balance
from .models.account import UNBOUNDED_ROLES
from .refusals import AccountClosed
from .requests import ATOMS_DIGITS_MAX

TOPIC: Final = "ledger.limit"

log = logging.getLogger(__name__)


def propose(
    *,
    account: Account,
    floor: object,
    ceiling: object,
    effective_on: date,
    reason: str,
    maker: AbstractBaseUser,
) -> AccountLimit:
    """Propose bounds in units on the account's normal side; None lifts a bound. Nothing changes until it is approved.

    Raises as :func:`atoms_of` and :func:`check`.
    """
    limit = AccountLimit(
        account=account,
        floor_atoms=atoms_of(account, floor, "floor"),
        ceiling_atoms=atoms_of(account, ceiling, "ceiling"),
        effective_on=effective_on,
        reason=reason,
    )
    return propose_limit(limit, maker=maker)


def propose_limit(limit: AccountLimit, *, maker: AbstractBaseUser) -> AccountLimit:
    """Propose a limit that was filled in; refusals as :func:`check`."""
    check(limit)
    return approvals.propose(limit, maker=maker, topic=f"{TOPIC}.proposed")


@transaction.atomic
def approve(limit: AccountLimit, *, checker: AbstractBaseUser) -> AccountLimit:
    """Approve a limit; one that is due comes in force with it.

    Raises Forbidden (`maker_is_checker`), Conflict (`already_decided`), and where it is due as :func:`apply`.
    """
    approved = approvals.approve(limit, checker=checker, topic=f"{TOPIC}.approved")
    if approved.effective_on > clock.today():
        return approved
    return apply(approved, actor=checker.get_username())


def reject(limit: AccountLimit, *, checker: AbstractBaseUser, reason: str) -> AccountLimit:
    """Reject a proposed limit for a reason; Forbidden and Conflict as when approving."""
    return approvals.reject(limit, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


@transaction.atomic
def apply(limit: AccountLimit, *, actor: str) -> AccountLimit:
    """Put an approved limit in force, once: the balance of its account takes its bounds.

    Raises Conflict: `not_due`, `superseded` where a limit of a later day is in force, `outside_bounds` where the
    balance, with what is held of it, would stand outside.
    """
    limits = AccountLimit.objects.select_for_update(of=("self",), no_key=True)
    locked = limits.select_related("account__asset", "account__location", "account__book").get(pk=limit.pk)
    if locked.applied_at is not None:
        return locked
    if locked.approval != FourEyes.Approval.APPROVED or locked.effective_on > clock.today():
        raise Conflict(_("The day of this limit has not come."), code="not_due")
    balance = Balance.objects.select_for_update(no_key=True, of=("self",)).get(account_id=locked.account_id)
    present = balance.limit
    if present and (present.effective_on, present.pk) > (locked.effective_on, locked.pk):
        raise Conflict(_("A limit of a later day is in force already."), code="superseded")
    _check_standing(locked, balance)
    locked.applied_at = clock.now()
    locked.save(update_fields=["applied_at"])
    record_event(
        "ledger.account.limit_changed",
        locked.account,
        actor=actor,
        reason=locked.reason,
        broker_code=locked.account.book.code,
        limit=locked.pk,
        floor=_told(locked.floor),
        ceiling=_told(locked.ceiling),
    )
    return locked


def apply_due() -> int:
    """Put in force what is due, in the order of days, and return how many came in force; one that cannot waits."""
    applied = 0
    for limit in due_limits():
        try:
            apply(limit, actor=SYSTEM)
            applied += 1
        except Conflict as refusal:
            log.warning("ledger.limit.waits", extra={"limit": limit.pk, "code": refusal.reason})
    return applied


def due_limits() -> QuerySet[AccountLimit]:
    """Return the approved limits whose day has come and that no limit in force has overtaken."""
    overtaking = AccountLimit.objects.filter(
        Q(effective_on__gt=OuterRef("effective_on"))
        | Q(effective_on=OuterRef("effective_on"), pk__gt=OuterRef("pk")),
        account=OuterRef("account"),
        applied_at__isnull=False,
    )
    return AccountLimit.objects.filter(
        ~Exists(overtaking),
        approval=FourEyes.Approval.APPROVED,
        applied_at__isnull=True,
        effective_on__lte=clock.today(),
    ).order_by("effective_on", "pk")


def in_force(account: Account, *, on: date | None = None) -> AccountLimit | None:
    """Return the limit that was in force at the end of a day in Hong Kong, today without one; None for none yet."""
    return applied_by(on or clock.today()).filter(account=account).first()


def applied_by(on: date) -> QuerySet[AccountLimit]:
    """Return what had come in force by the end of `on`, the latest first."""
    end = datetime.combine(on + timedelta(days=1), time.min, clock.HONG_KONG)
    return AccountLimit.objects.filter(applied_at__lt=end).order_by("-effective_on", "-pk")


def atoms_of(account: Account, bound: object, field: str) -> int | None:
    """Return a bound in atoms; None and empty text are none. Invalid (`inexact`) for what the account cannot hold."""
    if bound is None or bound == "":
        return None
    try:
        atoms = to_atoms(bound, account.asset.scale)
    except InexactValue as error:
        raise Invalid(str(error), field=field, code="inexact") from error
    if abs(atoms) >= 10**ATOMS_DIGITS_MAX:
        raise Invalid(
            _("%(quantity)s is outside what the books can hold.") % {"quantity": bound},
            field=field,
            code="inexact",
        )
    return atoms


def check(limit: AccountLimit) -> None:
    """Raise a refusal, with the field at fault, where a proposal is no limit.

    Invalid: `account_in_slots`, `bounds_crossed`, `goes_short`, `in_the_past`, `reason_required`; AccountClosed.
    """
    account = limit.account
    if account.role in UNBOUNDED_ROLES:
        raise Invalid(
            _("%(account)s is a house account that lies in slots and takes no limits.")
            % {"account": account},
            field="account",
            code="account_in_slots",
        )
    if account.closed_at is not None:
        raise AccountClosed(_("%(account)s is closed.") % {"account": account}, field="account")
    floor, ceiling = limit.floor_atoms, limit.ceiling_atoms
    if floor is not None and ceiling is not None and floor > ceiling:
        raise Invalid(_("The floor lies above the ceiling."), field="ceiling", code="bounds_crossed")
    if account.asset.is_located and (floor is None or floor < 0):
        raise Invalid(
            _("%(asset)s lies somewhere and cannot go short: give a floor of zero or more.")
            % {"asset": account.asset.code},
            field="floor",
            code="goes_short",
        )
    if limit.effective_on < clock.today():
        raise Invalid(_("A limit takes effect today or later."), field="effective_on", code="in_the_past")
    if not limit.reason.strip():
        raise Invalid(_("A limit needs a reason."), field="reason", code="reason_required")


def _check_standing(limit: AccountLimit, balance: Balance) -> None:
    """Raise Conflict (`outside_bounds`) where the balance with its holds stands outside."""
    account = limit.account
    natural = balance.net_atoms if account.is_debit_normal else -balance.net_atoms
    held = (balance.held_credit_atoms, balance.held_debit_atoms)
    leaving, coming = held if account.is_debit_normal else held[::-1]
    is_below = limit.floor_atoms is not None and natural - leaving < limit.floor_atoms
    is_above = limit.ceiling_atoms is not None and natural + coming > limit.ceiling_atoms
    if not is_below and not is_above:
        return
    scale = account.asset.scale
    words = {
        "account": account,
        "standing": plain(from_atoms(natural, scale)),
        "held": plain(from_atoms(leaving if is_below else coming, scale)),
        "asset": account.asset.code,
    }
    raise Conflict(
        _("%(account)s stands at %(standing)s %(asset)s with %(held)s held, outside these bounds.") % words,
        field="floor" if is_below else "ceiling",
        code="outside_bounds",
        standing=words["standing"],
        held=words["held"],
    )


def _told(bound: object) -> str | None:
    return None if bound is None else plain(bound)  # type: ignore[arg-type]
