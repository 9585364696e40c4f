"""Whether 60% was enough: a small backtest of haircuts on coins, kept for the back office."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from deploy.backtest.haircuts import outcome
from deploy.backtest.history import load
from deploy.demo import firm
from margin.models import HaircutBacktest
from margin.stress.backtests import keep_backtest

ACCOUNTS: Final = 60
SEED: Final = 1
HAIRCUTS: Final = tuple(Decimal(tenth) / 10 for tenth in range(1, 8))


def try_haircuts(advance: Callable[[], None]) -> HaircutBacktest:
    """Try each haircut on five years of prices and keep what it came to; `advance` is called after each."""
    history = load(firm.HISTORY_FROM, firm.HISTORY_TO)
    days = sorted(history.closes)
    outcomes = []
    for haircut in HAIRCUTS:
        outcomes.append(outcome(history, haircut, ACCOUNTS, SEED))
        advance()
    return keep_backtest(
        started_on=days[0],
        ended_on=days[-1],
        account_count=ACCOUNTS,
        seed=SEED,
        outcomes=outcomes,
        actor=firm.ADMINISTRATOR,
    )
