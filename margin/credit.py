"""The gate before new credit: what must hold, inside the transaction, before anything leaves or is lent.

The facility row is the lock: issuing a call, drawing, withdrawing and selling all take it first, so none of
them acts on what another is about to change. Repayment and deposit never ask here.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.decimals import ZERO, plain
from ledger.core.errors import Forbidden, Refusal

from .models import Client, Facility, LoanMovement, MarginCall
from .valuations import Assessment, assess


class CreditRefused(Refusal):
    """New credit would break a rule of the facility, the firm or the regulator."""

    code = "credit_refused"


def lock_facility(client: Client) -> Facility | None:
    """Lock the client's facility for the rest of the transaction; None when it has none."""
    return (
        Facility.objects.select_for_update(of=("self",), no_key=True)
        .select_related("client__broker__book")
        .filter(client=client)
        .first()
    )


def stops(facility: Facility, now: Assessment | None) -> list[str]:
    """Name what stops advances, purchases and withdrawals of a facility; empty when nothing does.

    `now` is the facility as it stands, None where it cannot be valued. Codes are those of
    :class:`CreditRefused`. Deposits and repayments are stopped by none of them.
    """
    found = [code for code, stands in _stops_by_record(facility) if stands]
    if now is None:
        return [*found, "not_valued"]
    if now.value.is_above(now.policy.call_utilisation):
        found.append("under_margined")
    if now.stale:
        found.append("stale_price")
    return found


def check_purchase(facility: Facility, *, asset: str, quantity: Decimal, amount: Decimal) -> Assessment:
    """Refuse a purchase by an under-margined client, or one that would leave the account under-margined.

    `amount` is what the purchase costs in the facility's currency, all charges included; what is bought is
    pledged. The facility is locked by the caller. Raises :class:`CreditRefused` with a code of
    :func:`stops` or `beyond_effective_limit`. Returns the account as it would be.
    """
    for code, stands in _stops_by_record(facility):
        if stands:
            raise CreditRefused(_("Purchases are stopped: %(code)s.") % {"code": code}, code=code)
    now = assess(facility)
    if now.value.is_above(now.policy.call_utilisation):
        raise CreditRefused(
            _("The account is %(amount)s short: purchases are stopped.")
            % {"amount": plain(now.value.deficiency)},
            code="under_margined",
            deficiency=plain(now.value.deficiency),
        )
    after = assess(facility, more_loan=amount, more={asset: quantity})
    _refuse_stale(after)
    if after.value.is_above(after.policy.call_utilisation):
        raise CreditRefused(
            _("This purchase would be %(amount)s beyond the effective limit.")
            % {"amount": plain(after.value.deficiency)},
            field="amount",
            code="beyond_effective_limit",
            deficiency=plain(after.value.deficiency),
        )
    _check_virtual_assets(facility, after, purpose="")
    return after


def _stops_by_record(facility: Facility) -> Iterator[tuple[str, bool]]:
    """What stands in the books alone, in the order in which it is said."""
    client = facility.client
    review = client.credit_review_due_on
    yield "firm_not_live", client.broker.went_live_at is None
    yield "facility_closed", facility.closed_on is not None
    yield "credit_review_overdue", review is None or review < clock.today()
    yield "open_call", MarginCall.objects.filter(facility=facility, status__in=MarginCall.OPEN).exists()


def check_withdrawal(facility: Facility | None, *, asset: str, quantity: Decimal) -> None:
    """Refuse a withdrawal that would leave the loan uncovered (regulation 1.16); the facility is locked.

    Nor may it leave a loan that leans on virtual assets without the securities it could be drawn on (26EC5).
    Raises :class:`CreditRefused` with one of `open_call`, `stale_price`, `withdrawal_leaves_shortfall`,
    `securities_collateral_required`.
    """
    if facility is None:
        return
    after = assess(facility, less={asset: quantity})
    if after.value.loan == ZERO:
        return
    _refuse_under_call(facility)
    _refuse_stale(after)
    if after.value.is_above(after.policy.call_utilisation):
        raise CreditRefused(
            _("This withdrawal would leave the account %(amount)s short.")
            % {"amount": plain(after.value.deficiency)},
            field="quantity",
            code="withdrawal_leaves_shortfall",
            deficiency=plain(after.value.deficiency),
        )
    if _leans_on_virtual_assets(after):
        _refuse_without_securities(after)


def check_drawdown(facility: Facility, *, amount: Decimal, purpose: str) -> None:
    """Refuse a drawdown beyond what collateral, limit and the rules on virtual assets allow.

    Raises :class:`CreditRefused` with one of `firm_not_live`, `facility_closed`, `credit_review_overdue`, `open_call`,
    `stale_price`, `beyond_effective_limit`, `securities_collateral_required`, and :class:`Forbidden`
    (`va_financing_not_permitted`). The facility is locked by the caller.
    """
    client = facility.client
    if client.broker.went_live_at is None:
        raise CreditRefused(_("This firm has not gone live."), code="firm_not_live")
    if facility.closed_on is not None:
        raise CreditRefused(_("This facility is closed."), code="facility_closed")
    if client.credit_review_due_on is None or client.credit_review_due_on < clock.today():
        raise CreditRefused(
            _("The client's credit review is missing or overdue."), code="credit_review_overdue"
        )
    _refuse_under_call(facility)
    after = assess(facility, more_loan=amount)
    _refuse_stale(after)
    if after.value.is_above(after.policy.call_utilisation):
        raise CreditRefused(
            _("This drawdown would be %(amount)s beyond the effective limit.")
            % {"amount": plain(after.value.deficiency)},
            field="amount",
            code="beyond_effective_limit",
            deficiency=plain(after.value.deficiency),
        )
    _check_virtual_assets(facility, after, purpose=purpose)


def _check_virtual_assets(facility: Facility, after: Assessment, *, purpose: str) -> None:
    """26EC5: existing securities margin clients only, on sufficient securities collateral."""
    if purpose != LoanMovement.Purpose.VIRTUAL_ASSETS and not _leans_on_virtual_assets(after):
        return
    permitted = facility.client.broker.va_financing_from
    approved = facility.client.va_financing_from
    if permitted is None or approved is None or max(permitted, approved) > clock.today():
        raise Forbidden(
            _("This client may not borrow for or against virtual assets."), code="va_financing_not_permitted"
        )
    _refuse_without_securities(after)


def _leans_on_virtual_assets(after: Assessment) -> bool:
    return after.value.loan > after.securities_margin_value


def _refuse_without_securities(after: Assessment) -> None:
    needed = after.policy.securities_share_minimum * after.value.margin_value
    if after.securities_margin_value == ZERO or after.securities_margin_value < needed:
        raise CreditRefused(
            _("Borrowing against virtual assets needs sufficient securities collateral."),
            code="securities_collateral_required",
            securities_margin_value=plain(after.securities_margin_value),
        )


def _refuse_under_call(facility: Facility) -> None:
    if MarginCall.objects.filter(facility=facility, status__in=MarginCall.OPEN).exists():
        raise CreditRefused(_("Advances and withdrawals stop while a margin call is open."), code="open_call")


def _refuse_stale(after: Assessment) -> None:
    if after.stale:
        raise CreditRefused(
            _("No new credit on stale prices: %(codes)s.") % {"codes": ", ".join(after.stale)},
            code="stale_price",
            assets=list(after.stale),
        )
