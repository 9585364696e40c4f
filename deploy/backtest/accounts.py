"""Accounts drawn from a seed, and what their days bring under one rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from random import Random
from typing import Final

from collateral.valuation import Debt, Holding, value_account
from deploy.backtest.history import COINS, History
from deploy.backtest.rules import Question, choose, ours
from ledger.core.decimals import round_half_up
from margin.sales.lines import Candidate
from margin.sales.planner import Outcome, SalePlan

TARGET: Final = Decimal("0.95")
CALL: Final = Decimal(1)
IMMEDIATE: Final = Decimal("1.30")
RATE: Final = Decimal("0.08")
SCREEN: Final = Decimal("0.99")


@dataclass(slots=True)
class Account:
    """What a client holds and owes; `called_on` while a call is open, `calls` how many there were.

    `thinnest_cover` is the least that market value was of the loan at a close at which the account was called.
    """

    number: int
    opened_on: date
    held: dict[str, Decimal]
    loan: Decimal
    called_on: date | None = None
    calls: int = 0
    thinnest_cover: Decimal | None = None
    prices: dict[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sale:
    """One forced sale: money in HKD, `shortage` before and after, and what ours would have sold and paid."""

    account: int
    on: date
    is_called_before: bool
    gross: Decimal
    cost: Decimal
    shortage_before: Decimal
    shortage_after: Decimal
    our_gross: Decimal
    our_cost: Decimal
    breaches: tuple[str, ...]


def drawn(history: History, count: int, seed: int) -> list[Account]:
    """Draw accounts that open on any day of the first three quarters, lent 90 to 99% of their margin value."""
    dice = Random(seed)  # noqa: S311  a backtest's dice, not a secret
    days = sorted(history.closes)
    accounts = []
    for number in range(count):
        opened_on = days[dice.randrange(max(len(days) * 3 // 4, 1))]
        closes = history.closes[opened_on]
        shares = [code for code in sorted(closes) if code in history.steps and code not in COINS]
        codes = dice.sample(shares, min(dice.randint(2, 6), len(shares)))
        codes += [coin for coin in COINS if dice.random() < 0.4]
        held = {
            code: history.steps[code]
            * max(dice.randint(100_000, 1_000_000) // (history.steps[code] * closes[code]), Decimal(1))
            for code in codes
        }
        account = Account(number, opened_on, held, Decimal(0), prices={code: closes[code] for code in codes})
        margin_value = value_account(holdings(account, history), []).margin_value
        account.loan = round_half_up(margin_value * dice.randint(9_000, 9_900) / 10_000)
        accounts.append(account)
    return accounts


def live_through(account: Account, history: History, rule: str) -> Iterator[Sale]:
    """Yield the forced sales of one account from its opening to the end, and leave what remains in it."""
    before = account.opened_on
    for on in sorted(day for day in history.closes if day > account.opened_on):
        closes = history.closes[on]
        account.prices.update({code: closes[code] for code in account.held if code in closes})
        account.loan = round_half_up(account.loan * (1 + RATE * (on - before).days / 365))
        before = on
        if account.loan <= 0 or not account.held or not _is_near(account, history):
            account.called_on = None
            continue
        value = value_account(holdings(account, history), [Debt("loan", account.loan)])
        if not value.is_above(CALL):
            account.called_on = None
            continue
        account.calls += account.called_on is None
        cover = value.market_value / value.loan
        account.thinnest_cover = min(cover, account.thinnest_cover or cover)
        if account.called_on is not None or value.is_at_least(IMMEDIATE):
            sale = _sell(account, history, rule, on)
            account.called_on = None if sale and sale.shortage_after <= 0 else on
            if sale:
                yield sale
        else:
            account.called_on = on


def _is_near(account: Account, history: History) -> bool:
    """Screen without rounding: what is far below its level need not be valued to the cent."""
    margin = sum(
        quantity * account.prices[code] * (1 - history.haircuts[code])
        for code, quantity in account.held.items()
    )
    return account.loan > SCREEN * margin


def holdings(account: Account, history: History) -> list[Holding]:
    return [
        Holding(code, quantity, account.prices[code], history.haircuts[code])
        for code, quantity in sorted(account.held.items())
    ]


def _question(account: Account, history: History, on: date) -> Question:
    closes = history.closes[on]
    return {
        "loan": account.loan,
        "holdings": holdings(account, history),
        "candidates": [
            Candidate(
                code,
                quantity,
                history.steps[code],
                account.prices[code],
                history.fees(code, on),
                is_tradable=code in closes,
                reason="no price that day",
            )
            for code, quantity in sorted(account.held.items())
        ],
        "target": TARGET,
        "credit_limit": None,
    }


def _sell(account: Account, history: History, rule: str, on: date) -> Sale | None:
    question = _question(account, history, on)
    plan = ours(question)
    sold = choose(rule, question, plan)
    if not sold:
        return None
    gross = {code: round_half_up(quantity * account.prices[code]) for code, quantity in sold.items()}
    cost = sum((history.fees(code, on).fees(amount).total for code, amount in gross.items()), Decimal(0))
    breaches = tuple(_breaches(account, history, on, sold, plan if rule == "ours" else None))
    was_called = account.called_on is not None
    for code, quantity in sold.items():
        account.held[code] -= quantity
        if not account.held[code]:
            del account.held[code]
    account.loan = account.loan - sum(gross.values(), Decimal(0)) + cost
    margin_value = value_account(holdings(account, history), []).margin_value
    return Sale(
        account=account.number,
        on=on,
        is_called_before=was_called,
        gross=sum(gross.values(), Decimal(0)),
        cost=cost,
        shortage_before=plan.shortage_before,
        shortage_after=account.loan - TARGET * margin_value,
        our_gross=plan.total_gross,
        our_cost=plan.total_cost,
        breaches=breaches,
    )


def _breaches(
    account: Account, history: History, on: date, sold: dict[str, Decimal], plan: SalePlan | None
) -> Iterator[str]:
    """Say what no sale may do; more than the target and a lot is held against our rule only."""
    for code, quantity in sold.items():
        if quantity > account.held[code]:
            yield "negative_holding"
        if code not in history.closes[on]:
            yield "stale_price"
    if plan is not None and plan.outcome is Outcome.CURES:
        a_lot = min(history.steps[leg.code] * account.prices[leg.code] for leg in plan.legs)
        if -plan.shortage_after > a_lot:
            yield "beyond_target_plus_one_lot"
