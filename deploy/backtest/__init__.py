"""What forced sales would have done to clients from 2021 to 2025: `manage.py backtest`.

The same accounts, drawn from a seed, live through real closing prices under five rules of what to sell: the
planner's, and four that others use (`reference/margin-peers.md` 2.9.8): the same part of everything, the largest
position first, half the loan, everything. An account above 100% at a close is called; if it still is at the next
close it is sold, at or above the immediate level on the same day. Nothing is paid in, interest runs at 8%.

Every sale is at that day's close, with the day's charges, in whole lots; an asset without a price that day is not
sold. Prices are adjusted for later dividends and splits, so neither happens here; USD stands at 7.80. Haircuts are
the house's of the demonstration kind, 30 to 60% by asset, not of the time.

- `history`   closing prices and what can be sold
- `rules`     the rules, each from an account to numbers of lots
- `accounts`  the accounts and their days
- `haircuts`  coins alone under several haircuts: whether 60% was enough
- `report`    the figures, the table and the JSON
"""
