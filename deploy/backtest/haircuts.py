"""Whether a haircut on coins was enough: the same coins pledged under several, lived through real prices.

Each account pledges Bitcoin, Ether or both and nothing else, for a share beside them would hide the answer. It is lent
90 to 99% of its margin value, so a lower haircut lends more on the same coins. A call has until the next close of the
exchange, which over a weekend is three days of a market that never closes; then our plan is sold at that close. What the
lender loses is the loan that is left when nothing is left to sell, and at the end what the loan exceeds the market
value by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Final

from collateral.valuation import value_account
from deploy.backtest.accounts import Account, holdings, live_through
from deploy.backtest.history import COINS, History
from ledger.core.decimals import ZERO, floor_to, round_half_up
from margin.stress.backtests import HaircutOutcome

BASKETS: Final = (("BTC",), ("ETH",), ("BTC", "ETH"))
DAYS_TO_LIVE_MIN: Final = 20


def under(history: History, haircut: Decimal) -> History:
    """The same history with this haircut on coins."""
    return replace(history, haircuts={**history.haircuts, **dict.fromkeys(COINS, haircut)})


def coin_accounts(history: History, count: int, seed: int) -> list[Account]:
    """Draw accounts that open on any day but the last few; a seed draws the same coins whatever the haircut."""
    dice = Random(seed)  # noqa: S311  a backtest's dice, not a secret
    days = sorted(day for day, closes in history.closes.items() if all(coin in closes for coin in COINS))
    opening_days = days[:-DAYS_TO_LIVE_MIN] or days
    accounts = []
    for number in range(count):
        opened_on = dice.choice(opening_days)
        closes = history.closes[opened_on]
        held = {
            coin: floor_to(Decimal(dice.randint(100_000, 2_000_000)) / closes[coin], history.steps[coin])
            for coin in dice.choice(BASKETS)
        }
        account = Account(number, opened_on, held, ZERO, prices={coin: closes[coin] for coin in held})
        margin_value = value_account(holdings(account, history), []).margin_value
        account.loan = round_half_up(margin_value * dice.randint(9_000, 9_900) / 10_000)
        accounts.append(account)
    return accounts


def outcome(
    history: History, haircut: Decimal, count: int, seed: int, advance: Callable[[], None] = lambda: None
) -> HaircutOutcome:
    """Live every account through one haircut; `advance` is called after each."""
    history = under(history, haircut)
    accounts = coin_accounts(history, count, seed)
    lent = sum((account.loan for account in accounts), ZERO)
    sales, sold, losses = 0, ZERO, []
    for account in accounts:
        for sale in live_through(account, history, "ours"):
            sales += 1
            sold += sale.gross
            if not account.held:
                # Interest on what nobody will pay is no loss of the lender.
                break
        loss = account.loan - value_account(holdings(account, history), []).market_value
        losses.append(max(loss, ZERO))
        advance()
    return HaircutOutcome(
        haircut=haircut,
        lent=lent,
        calls=sum(account.calls for account in accounts),
        sales=sales,
        sold=sold,
        losers=sum(loss > 0 for loss in losses),
        loss=sum(losses, ZERO),
        thinnest_cover=_thinnest(accounts),
    )


def _thinnest(accounts: Sequence[Account]) -> Decimal | None:
    covers = [account.thinnest_cover for account in accounts if account.thinnest_cover is not None]
    return round_half_up(min(covers), 6) if covers else None
