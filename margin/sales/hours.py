"""Selling while a venue is closed: enough now to survive, the rest when it opens.

Only open venues can sell now. If they can cure the account, they do. Otherwise they bring it down to a survival
level, above the target and below where the account must not stay, and the rest is planned for the opening with
everything that may be sold then (`reference/margin-peers.md` 2.9.7; the worked account in 2.9.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from collateral.valuation import Holding
from ledger.core.decimals import CONTEXT, ZERO, exact
from margin.sales.lines import Candidate
from margin.sales.planner import NODE_LIMIT, Outcome, SalePlan, plan_sale, plan_to_level

CLOSED = "venue_closed"


@dataclass(frozen=True, slots=True)
class NowAndLater:
    """What to sell at once, and what is left to sell at the opening; None where nothing is left."""

    now: SalePlan
    later: SalePlan | None


def plan_around_hours(
    *,
    loan: Decimal,
    holdings: Sequence[Holding],
    candidates: Sequence[Candidate],
    closed: frozenset[str],
    target: Decimal,
    survival: Decimal,
    credit_limit: Decimal | None = None,
    node_limit: int = NODE_LIMIT,
) -> NowAndLater:
    """Plan a sale of which the candidates in `closed` (by code) can only be sold later.

    `survival` is the utilisation, at or above `target`, to which the open venues bring the account if they cannot
    cure it; an account below it that cannot be cured now waits for the opening. The later plan supposes that the
    first is done and prices stand. Raises `ValueError` as `plan_sale`, and on a survival level below the target.
    """
    if exact(survival) < exact(target):
        raise ValueError(f"survival {survival} is below the target {target}")
    question = {"holdings": holdings, "credit_limit": credit_limit, "node_limit": node_limit}
    opened = [_shut(offer) if offer.code in closed else offer for offer in candidates]
    cure = plan_sale(loan=loan, candidates=opened, target=target, **question)  # type: ignore[arg-type]
    if cure.outcome is Outcome.CURES or not any(offer.code in closed for offer in candidates):
        return NowAndLater(cure, None)
    now = plan_to_level(loan=loan, candidates=opened, level=survival, **question)  # type: ignore[arg-type]
    with localcontext(CONTEXT):
        sold: dict[str, Decimal] = {}
        for leg in now.legs:
            sold[leg.code] = sold.get(leg.code, ZERO) + leg.quantity
        left = [line.holding for line in now.after.lines]
        rest = _rest(candidates, sold)
    later = plan_sale(
        loan=now.loan_after,
        holdings=left,
        candidates=rest,
        target=target,
        credit_limit=credit_limit,
        node_limit=node_limit,
    )
    return NowAndLater(now, later if later.legs or later.outcome is not Outcome.CURES else None)


def _shut(offer: Candidate) -> Candidate:
    return replace(offer, is_tradable=False, reason=offer.reason or CLOSED)


def _rest(candidates: Sequence[Candidate], sold: dict[str, Decimal]) -> list[Candidate]:
    """Take what the first plan sells off what is offered, in the order in which it is offered."""
    rest = []
    for offer in candidates:
        taken = min(sold.get(offer.code, ZERO), offer.quantity)
        sold[offer.code] = sold.get(offer.code, ZERO) - taken
        most = None if offer.quantity_max is None else max(offer.quantity_max - taken, ZERO)
        rest.append(replace(offer, quantity=offer.quantity - taken, quantity_max=most))
    return rest
