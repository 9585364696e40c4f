"""May this client buy? Asked by the broker's order system before each purchase, answered at once and kept.

An under-margined client's purchases stop with the first valuation that says so, call or no call (SFC
Guidelines for securities margin financing, stopping further advances).
"""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _
from moneyed import Money

from ledger.core import clock
from ledger.core.decimals import InexactValue, to_atoms
from ledger.core.errors import Invalid, KeyReused
from ledger.core.events import record_event
from ledger.models import Asset

from .clients import check_amount
from .credit import CreditRefused, check_purchase, lock_facility
from .models import Facility, PurchaseCheck
from .valuations import assess


@transaction.atomic
def ask_to_purchase(
    *, facility: Facility, asset: str, quantity: Decimal, amount: Decimal, key: str, actor: str
) -> PurchaseCheck:
    """Answer whether `quantity` of `asset` may be bought for `amount` (facility currency, charges included).

    The answer is kept and told again under the same key, whatever has happened since. Raises
    :class:`Invalid` for an asset that is none or is money, a quantity or an amount that is not positive and
    exact, and :class:`KeyReused` when the key stands for another question.
    """
    check_amount(amount)
    bought = _asset(asset, quantity)
    locked = lock_facility(facility.client)
    if locked is None:
        raise Invalid(_("There is no such facility."), field="facility", code="unknown_facility")
    known = PurchaseCheck.objects.filter(facility=locked, key=key).first()
    if known is not None:
        return _told_again(known, bought, quantity, amount)
    before = assess(locked)
    after, reason = None, ""
    try:
        after = check_purchase(locked, asset=asset, quantity=quantity, amount=amount)
    except CreditRefused as refusal:
        reason = refusal.reason
    check = PurchaseCheck.objects.create(
        facility=locked,
        key=key,
        asset=bought,
        quantity=quantity,
        amount=Money(amount, locked.currency),
        is_allowed=not reason,
        reason_code=reason,
        utilisation_before=before.value.utilisation,
        utilisation_after=after.value.utilisation if after else None,
        checked_at=clock.now(),
        actor=actor,
    )
    record_event(
        "margin.purchase.refused" if reason else "margin.purchase.allowed",
        check,
        actor=actor,
        reason=reason,
        broker_code=locked.client.broker.code,
        client=locked.client.number,
        asset=asset,
    )
    return check


def _asset(code: str, quantity: Decimal) -> Asset:
    asset = Asset.objects.filter(code=code).exclude(kind=Asset.Kind.FIAT).first()
    if asset is None:
        raise Invalid(_("There is no asset %(code)s.") % {"code": code}, field="asset", code="unknown_asset")
    try:
        atoms = to_atoms(quantity, asset.scale)
    except InexactValue as error:
        raise Invalid(str(error), field="quantity", code="inexact") from error
    if atoms <= 0:
        raise Invalid(_("A quantity must be above zero."), field="quantity", code="not_positive")
    return asset


def _told_again(known: PurchaseCheck, asset: Asset, quantity: Decimal, amount: Decimal) -> PurchaseCheck:
    if (known.asset_id, known.quantity, known.amount.amount) != (asset.pk, quantity, amount):
        raise KeyReused(_("This key stands for another purchase."))
    return known
