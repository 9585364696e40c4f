"""What the rules came to: one JSON object for machines, a table for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from statistics import median
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from deploy.backtest.accounts import Account, Sale
from ledger.core.decimals import plain
from margin.stress.backtests import HaircutOutcome

BREACHES: Final = ("beyond_target_plus_one_lot", "negative_holding", "stale_price")


def figures(rule: str, sales: Sequence[Sale], accounts: Sequence[Account]) -> dict[str, Any]:
    """Sum up one rule. Oversell is the cure beyond what was short, as a share of it, of sales that reach the target.

    `sold_to_ours` and `cost_to_ours` compare each sale with what our plan would have sold of the same account on
    the same day; repeat sales are all but the first of an account. HKD amounts are whole dollars.
    """
    cured = [sale for sale in sales if sale.shortage_after <= 0 and sale.shortage_before > 0]
    compared = [sale for sale in cured if sale.our_gross and sale.our_cost]
    breached = Counter(name for sale in sales for name in sale.breaches)
    shortfall = sum(
        (account.loan for account in accounts if not account.held and account.loan > 0), Decimal(0)
    )
    return {
        "rule": rule,
        "sales": len(sales),
        "repeat_sales": len(sales) - len({sale.account for sale in sales}),
        "sold_hkd": int(sum(sale.gross for sale in sales)),
        "cost_hkd": int(sum(sale.cost for sale in sales)),
        "median_oversell": _median([-sale.shortage_after / sale.shortage_before for sale in cured]),
        "median_sold_to_ours": _median([sale.gross / sale.our_gross for sale in compared]),
        "median_cost_to_ours": _median([sale.cost / sale.our_cost for sale in compared]),
        "shortfall_hkd": int(shortfall),
        "breaches": {name: breached[name] for name in BREACHES},
    }


def haircut_figures(each: HaircutOutcome) -> dict[str, Any]:
    """One haircut for machines: counts, and amounts in HKD as decimal text."""
    return {
        name: plain(value) if isinstance(value, Decimal) else value for name, value in asdict(each).items()
    }


def haircut_table(outcomes: Sequence[HaircutOutcome], title: str) -> Table:
    table = Table(title=title, caption="haircuts on coins; cover: the least at a call", box=SIMPLE_HEAD)
    columns = ("haircut", "lent HKD", "calls", "sales", "sold HKD", "losers", "loss HKD", "thinnest cover")
    for name in columns:
        table.add_column(name, justify="right")
    for each in outcomes:
        table.add_row(
            f"{each.haircut:.0%}",
            f"{each.lent:,.2f}",
            str(each.calls),
            str(each.sales),
            f"{each.sold:,.2f}",
            str(each.losers),
            f"{each.loss:,.2f}",
            "–" if each.thinnest_cover is None else f"{each.thinnest_cover:.2%}",
        )
    return table


def _median(ratios: Sequence[Decimal]) -> float | None:
    return round(float(median(ratios)), 4) if ratios else None


def as_table(rows: Sequence[dict[str, Any]], title: str) -> Table:
    table = Table(title=title, caption="oversell, sold and cost: medians of a sale", box=SIMPLE_HEAD)
    table.add_column("rule")
    columns = (
        "sales",
        "repeat",
        "sold HKD",
        "cost HKD",
        "oversell",
        "sold / ours",
        "cost / ours",
        "shortfall HKD",
    )
    for name in columns:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["rule"],
            str(row["sales"]),
            str(row["repeat_sales"]),
            f"{row['sold_hkd']:,}",
            f"{row['cost_hkd']:,}",
            _shown(row["median_oversell"], "{:.1%}"),
            _shown(row["median_sold_to_ours"], "{:.2f}"),
            _shown(row["median_cost_to_ours"], "{:.2f}"),
            f"{row['shortfall_hkd']:,}",
        )
    return table


def _shown(ratio: float | None, form: str) -> str:
    return "–" if ratio is None else form.format(ratio)
