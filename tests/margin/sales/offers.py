"""Offers of collateral for the planner's tests, and a second reckoning of what a sale leaves short."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from collateral.valuation import Holding, value_account, value_quantity
from ledger.core.decimals import round_half_up
from margin.sales.fees import SEHK_JUNE_2025, VATP_EXAMPLE, FeeSchedule, sehk_charges_on
from margin.sales.planner import Candidate

D = Decimal
SATOSHI = D("0.00000001")

SCHEDULES = (
    SEHK_JUNE_2025,
    VATP_EXAMPLE,
    sehk_charges_on(date(2022, 6, 15), D("0.0010"), D("80.00")),
    FeeSchedule(commission_rate=D("0.03"), commission_minimum=D("5.00")),
)


def lots(holding, lot, fees=SEHK_JUNE_2025, **kwargs):
    return Candidate(holding.code, holding.quantity, D(lot), holding.price, fees, **kwargs)


def coins(holding, **kwargs):
    return Candidate(
        holding.code, holding.quantity, SATOSHI, holding.price, VATP_EXAMPLE, holding.fx_rate, **kwargs
    )


def sold(plan):
    return {leg.code: leg.quantity for leg in plan.legs}


def rounded_shortage(holdings, loan, credit_limit, target, offers, steps):
    """The shortage after a sale, reckoned with nothing but the kernel and the fee schedules."""
    left = {holding.code: holding.quantity for holding in holdings}
    cost = D(0)
    for offer, number in zip(offers, steps, strict=True):
        gross = round_half_up(offer.step * number * offer.price * offer.fx_rate)
        fees = offer.fees.fees(gross)
        loan -= fees.net
        cost += fees.total
        left[offer.code] -= offer.step * number
    margin_value = sum(value_quantity(holding, left[holding.code])[1] for holding in holdings)
    limit = margin_value if credit_limit is None else min(margin_value, credit_limit)
    return loan - target * limit, cost


def random_account(rng, assets):
    """An account of stocks in lots and two coins, breached by up to a tenth."""
    holdings, offers = [], []
    for number in range(assets):
        is_coin = number < 2
        lot = SATOSHI if is_coin else D(rng.choice([100, 200, 500, 1000]))
        quantity = lot * (rng.randint(10**6, 2 * 10**8) if is_coin else rng.randint(1, 60))
        price = D(rng.randint(10**6, 10**7) if is_coin else rng.randint(100, 60000)) / 100
        haircut = D(rng.choice(["0.60", "0.70"] if is_coin else ["0.20", "0.30", "0.40", "0.60"]))
        holdings.append(Holding(f"A{number:02}", quantity, price, haircut))
        offers.append(lots(holdings[-1], lot, VATP_EXAMPLE if is_coin else rng.choice(SCHEDULES)))
    margin_value = value_account(holdings, []).margin_value
    loan = round_half_up(margin_value * rng.randint(1001, 1100) / 1000)
    return {"loan": loan, "holdings": holdings, "candidates": offers, "target": D("0.95")}
