"""What a run came to: one JSON object for machines, a table of ratios for people."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from deploy.benchmarks.figures import Figure, ratio
from deploy.benchmarks.ledger.cases import Case
from deploy.benchmarks.ledger.growth import GrowthOutcome
from deploy.benchmarks.ledger.rounds import Outcome
from deploy.benchmarks.ledger.workload import CONTENTIONS


def as_json(outcome: Outcome, growth: GrowthOutcome | None) -> dict[str, Any]:
    """Rates a second, latencies of a call in milliseconds; `growth` is there when it was measured."""
    tpcb = outcome.tpcb_per_second
    return {
        "tpcb_tps": round(tpcb, 1) if tpcb else None,
        "cases": [
            {
                "name": case.yardstick.name,
                "contention": case.contention,
                "clients": case.clients,
                "tps": round(figure.per_second, 1),
                "ratio_to_tpcb": ratio(figure.per_second, tpcb),
                "p50_ms": round(figure.p50_ms, 3),
                "p99_ms": round(figure.p99_ms, 3),
            }
            for case, figure in outcome.figures.items()
        ],
    } | ({"growth": _growth_json(growth)} if growth else {})


def _growth_json(growth: GrowthOutcome) -> dict[str, Any]:
    return {
        "entries": growth.entries,
        "empty_entries_after": growth.empty_entries_after,
        "cases": [
            {
                "name": each.case.yardstick.name,
                "clients": each.case.clients,
                "empty_tps": round(each.empty.per_second, 1),
                "full_tps": round(each.full.per_second, 1),
                "empty_p50_ms": round(each.empty.p50_ms, 3),
                "full_p50_ms": round(each.full.p50_ms, 3),
                "growth_percent": each.percent,
            }
            for each in growth.cases
        ],
    }


def as_table(outcome: Outcome, title: str) -> Table:
    """One row for each yardstick and number of clients, one column for each contention."""
    table = Table(title=title, caption="times TPC-B, then p50/p99 of a call in ms", box=SIMPLE_HEAD)
    table.add_column("posting by")
    table.add_column("clients", justify="right")
    for contention in CONTENTIONS:
        table.add_column(contention, justify="right")
    rows: dict[tuple[str, int], dict[str, Figure]] = {}
    for case, figure in outcome.figures.items():
        rows.setdefault((case.yardstick.name, case.clients), {})[case.contention] = figure
    for (name, clients), cells in rows.items():
        shown = [_cell(cells.get(contention), outcome.tpcb_per_second) for contention in CONTENTIONS]
        table.add_row(name, str(clients), *shown)
    return table


def _cell(figure: Figure | None, tpcb_per_second: float | None) -> str:
    if figure is None:
        return ""
    times = ratio(figure.per_second, tpcb_per_second)
    rate = f"{figure.per_second:,.0f}/s" if times is None else f"{times:.2f}"
    return f"{rate}  {_ms(figure.p50_ms)}/{_ms(figure.p99_ms)}"


def _ms(latency_ms: float) -> str:
    """Name a latency in few letters.

    >>> _ms(4.62), _ms(38.4), _ms(1392.0)
    ('4.6', '38', '1.4s')
    """
    if latency_ms >= 1_000:
        return f"{latency_ms / 1_000:.1f}s"
    return f"{latency_ms:.1f}" if latency_ms < 10 else f"{latency_ms:.0f}"


def growth_table(growth: GrowthOutcome) -> Table:
    """What each case costs in an empty book and in a full one."""
    table = Table(
        title=f"an empty book and one of {growth.entries:,} entries",
        caption=f"measuring left {growth.empty_entries_after:,} entries in the empty one",
        box=SIMPLE_HEAD,
    )
    for name in ("case", "empty", "full", "growth of the cost"):
        table.add_column(name, justify="left" if name == "case" else "right")
    for each in growth.cases:
        table.add_row(
            _named(each.case), _growth_cell(each.case, each.empty), _growth_cell(each.case, each.full),
            f"{each.percent:+.1f}%",
        )  # fmt: skip
    return table


def _named(case: Case) -> str:
    return f"{case.yardstick.name}, {case.clients} client{'s' if case.clients > 1 else ''}"


def _growth_cell(case: Case, figure: Figure) -> str:
    return f"{figure.p50_ms:.3f} ms" if case.yardstick.is_read else f"{figure.per_second:,.0f}/s"
