"""The schedule of concentration caps of a firm: proposed, decided by a second person, in force from a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from collateral.caps import Cap, Measure, Scope
from collateral.checks import exact_for
from collateral.effective import approve_effective, refuse_retroactive
from ledger.core import approvals, clock
from ledger.core.errors import Invalid
from ledger.models import Asset

from .models import Broker, CollateralCap

TOPIC: Final = "margin.cap"
SHARE_MAX: Final = {Measure.SINGLE_NAME: Decimal(1), Measure.VIRTUAL_ASSETS: Decimal(100)}


def propose_cap(
    *,
    broker: Broker,
    scope: str,
    measure: str,
    valid_from: date,
    maker: AbstractBaseUser,
    asset: Asset | str | None = None,
    share: object = None,
    amount: object = None,
    reason: str = "",
) -> CollateralCap:
    """Propose a cap; it counts from `valid_from` once somebody else approves it.

    `share` is a fraction of uncapped margin value, `amount` Hong Kong dollars to the cent. Raises Invalid:
    `unknown_asset`, `share_or_amount` where the figure does not fit the measure, `INEXACT`, `OUT_OF_RANGE`,
    `RETROACTIVE` for a day before today once such a cap is in force.
    """
    cap = CollateralCap(
        broker=broker,
        scope=_one_of(Scope, scope, "scope"),
        measure=_one_of(Measure, measure, "measure"),
        asset=_asset(asset),
        share=None if share is None else exact_for(CollateralCap, "share", share),
        amount=None if amount is None else exact_for(CollateralCap, "amount", amount),
        valid_from=valid_from,
        reason=reason,
    )
    check_cap(cap)
    return approvals.propose(cap, maker=maker, topic=f"{TOPIC}.proposed")


def check_cap(cap: CollateralCap) -> None:
    """Raise what proposing or approving this cap today would be refused for."""
    _check_figure(cap)
    in_force = _same_key(cap).filter(valid_from__lte=clock.today()).exclude(pk=cap.pk)
    refuse_retroactive(cap.valid_from, is_effective=in_force.exists())


def approve_cap(cap: CollateralCap, *, checker: AbstractBaseUser) -> CollateralCap:
    """Put a cap in force from its day on, as its second person; refusals as those of a haircut."""
    return approve_effective(cap, checker=checker, topic=f"{TOPIC}.approved", check=check_cap)


def reject_cap(cap: CollateralCap, *, checker: AbstractBaseUser, reason: str) -> CollateralCap:
    """Turn a cap down, with a reason that is kept."""
    return approvals.reject(cap, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


def caps_on(broker: Broker, on: date) -> tuple[Cap, ...]:
    """Return the caps in force on a day as the arithmetic takes them, in the order of their rows."""
    rows = (
        CollateralCap.objects.filter(
            broker=broker, approval=CollateralCap.Approval.APPROVED, valid_from__lte=on
        )
        .order_by("scope", "measure", "asset_id", "-valid_from")
        .distinct("scope", "measure", "asset_id")
        .select_related("asset")
    )
    return tuple(kernel_cap(row) for row in sorted(rows, key=lambda row: row.pk))


def kernel_cap(row: CollateralCap) -> Cap:
    """Return one row as the arithmetic takes it, named by its id."""
    return Cap(
        row.pk,
        Scope(row.scope),
        Measure(row.measure),
        row.asset.code if row.asset else None,
        row.share,
        row.amount,
    )


def _same_key(cap: CollateralCap) -> QuerySet[CollateralCap]:
    of_firm = CollateralCap.objects.filter(
        broker_id=cap.broker_id,
        scope=cap.scope,
        measure=cap.measure,
        approval=CollateralCap.Approval.APPROVED,
    )
    return of_firm.filter(asset=cap.asset_id) if cap.asset_id else of_firm.filter(asset__isnull=True)


def _check_figure(cap: CollateralCap) -> None:
    is_amount = cap.measure == Measure.AMOUNT
    field = "amount" if is_amount else "share"
    number, other = (cap.amount, cap.share) if is_amount else (cap.share, cap.amount)
    is_asset_right = cap.asset_id is not None if is_amount else True
    if cap.measure == Measure.VIRTUAL_ASSETS:
        is_asset_right = cap.asset_id is None
    if number is None or other is not None or not is_asset_right:
        raise Invalid(
            _(
                "A cap by amount names an asset and an amount; any other cap a share, from 0 to 1 for one"
                " asset."
            ),
            field=field if is_asset_right else "asset",
            code="share_or_amount",
        )
    most = None if is_amount else SHARE_MAX[Measure(cap.measure)]
    if number < 0 or (most is not None and number > most):
        raise Invalid(_("%(number)s is out of range.") % {"number": number}, field=field, code="OUT_OF_RANGE")


def _asset(asset: Asset | str | None) -> Asset | None:
    if asset is None or asset == "" or isinstance(asset, Asset):
        return asset or None  # type: ignore[return-value]
    found = Asset.objects.filter(code=asset).first()
    if found is None:
        raise Invalid(
            _("There is no asset %(asset)s.") % {"asset": asset}, field="asset", code="unknown_asset"
        )
    return found


def _one_of(kind: type[Scope] | type[Measure], value: str, field: str) -> str:
    if value not in list(kind):
        raise Invalid(_("This value is not allowed."), field=field, code="invalid")
    return value
