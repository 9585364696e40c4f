"""Ms Chan of example V01 as plain values, and accounts drawn at random."""

from __future__ import annotations

from hypothesis import strategies as st

from collateral.valuation import Debt, Holding, Tier
from margin.stress.breakeven import Levels
from margin.stress.portfolio import Account, Pledge
from tests.builders import D

LEVELS = Levels(call=D(1), immediate=D("1.30"))


def share(code: str, quantity: str, price: str, haircut: str = "0.30", **more: object) -> Pledge:
    return Pledge(Holding(code, D(quantity), D(price), D(haircut), **more), "security", "HKD")


def coin(code: str, quantity: str, price: str, haircut: str = "0.60", **more: object) -> Pledge:
    return Pledge(Holding(code, D(quantity), D(price), D(haircut), D("7.8"), **more), "virtual_asset", "USD")


def borrower(*pledges: Pledge, loan: str, **more: object) -> Account:
    return Account(1, pledges, (Debt("principal", D(loan)),), "HKD", **more)


def chan(**more: object) -> Account:
    """V01: a loan of 1,503,287.67 against HSBC, Tencent and Bitcoin."""
    return borrower(
        share("00005", "8000", "98.40"),
        share("00700", "1200", "512.50"),
        coin("BTC", "1.5", "95000"),
        loan="1503287.67",
        **more,
    )


cents = st.integers(1, 10**9).map(lambda number: D(number) / 100)
haircuts = st.integers(0, 100).map(lambda number: D(number) / 100)


@st.composite
def pledges(draw: st.DrawFn, code: str, *, is_coin: bool) -> Pledge:
    haircut = draw(haircuts)
    tiers: tuple[Tier, ...] = ()
    if draw(st.booleans()):
        tiers = (Tier(draw(cents), haircut + (1 - haircut) * draw(haircuts)),)
    quantity = D(draw(st.integers(0, 10**6))) / (1000 if is_coin else 1)
    holding = Holding(
        code,
        quantity,
        D(draw(st.integers(1, 10**5))) / 100,
        haircut,
        D("7.8") if is_coin else D(1),
        tiers=tiers,
    )
    return Pledge(holding, "virtual_asset" if is_coin else "security", "USD" if is_coin else "HKD")


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    held = (
        draw(pledges("00005", is_coin=False)),
        draw(pledges("00700", is_coin=False)),
        draw(pledges("BTC", is_coin=True)),
    )
    limit = draw(st.none() | cents)
    return Account(
        1,
        held,
        (Debt("principal", draw(cents)),),
        "HKD",
        cash=draw(st.just(D(0)) | cents),
        credit_limit=limit,
    )
