"""Backtests of haircuts: whether the floor on coins was enough over the years that were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from collateral.models.haircut import VIRTUAL_ASSET_HAIRCUT_FLOOR
from ledger.core.admin import ReadOnlyAdmin
from ledger.core.charts import Chart, Series
from margin.models import HaircutBacktest, HaircutOutcomeRow

from .panel import Column, Panel, PanelAdmin, Table, Tile
from .scope import BrokerScope
from .show import NOTHING, money, percent
from .stress_panels import AMBER, BLUE, RED


@admin.register(HaircutBacktest)
class HaircutBacktestAdmin(PanelAdmin, ReadOnlyAdmin):
    """Of the market and of no firm, so everybody who may see backtests sees all of them."""

    nothing_yet = _(
        "A backtest lends on the same coins under several haircuts and lives through real prices. "
        "Run one: manage.py backtest --haircuts 0.3,0.4,0.5,0.6,0.7 --keep"
    )
    list_display = ("ran_at", "started_on", "ended_on", "account_count", "of_floor", "lowest")
    ordering = ("-pk",)
    fields = (("started_on", "ended_on", "ran_at"), ("account_count", "seed", "actor"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super(BrokerScope, self).get_queryset(request).prefetch_related("rows")

    @display(description=_("loss at the floor of 60%"))
    def of_floor(self, backtest: HaircutBacktest) -> str:
        row = _of_floor(backtest.rows.all())
        return money(row.loss) if row else NOTHING

    @display(description=_("lowest haircut without a loss"))
    def lowest(self, backtest: HaircutBacktest) -> str:
        row = _lowest_safe(backtest.rows.all())
        return percent(row.haircut, 0) if row else NOTHING

    def panel(self, request: HttpRequest, row: HaircutBacktest) -> Panel:
        rows = sorted(row.rows.all(), key=lambda each: each.haircut)
        return Panel(tiles=_tiles(rows), charts=_charts(rows), tables=(_table(rows),))


def _of_floor(rows: Iterable[HaircutOutcomeRow]) -> HaircutOutcomeRow | None:
    return next((row for row in rows if row.haircut == VIRTUAL_ASSET_HAIRCUT_FLOOR), None)


def _lowest_safe(rows: Iterable[HaircutOutcomeRow]) -> HaircutOutcomeRow | None:
    """The lowest haircut from which on nothing was lost."""
    safe = None
    for row in sorted(rows, key=lambda each: each.haircut, reverse=True):
        if row.loss:
            break
        safe = row
    return safe


def _tiles(rows: Sequence[HaircutOutcomeRow]) -> tuple[Tile, ...]:
    floor, safe = _of_floor(rows), _lowest_safe(rows)
    lowest = Tile(
        _("Lowest haircut without a loss"),
        percent(safe.haircut, 0) if safe else NOTHING,
        hint=_("Of those that were tried"),
    )
    if floor is None:
        return (lowest,)
    return (
        Tile(
            _("Was sixty per cent enough?"),
            _("No: the lender lost") if floor.loss else _("Yes: nothing was lost"),
            tone="danger" if floor.loss else "success",
        ),
        Tile(
            _("Loss at 60%"), money(floor.loss, "HKD"), hint=_("of %(sum)s lent") % {"sum": money(floor.lent)}
        ),
        Tile(
            _("Thinnest cover at 60%"),
            NOTHING if floor.thinnest_cover is None else percent(floor.thinnest_cover),
            hint=_("Market value of a loan, at the worst close of a call"),
        ),
        lowest,
    )


def _charts(rows: Sequence[HaircutOutcomeRow]) -> tuple[Chart, ...]:
    labels = [percent(row.haircut, 0) for row in rows]
    return (
        Chart(
            _("Loss to the lender by haircut"),
            "bar",
            labels,
            [Series(_("loss to the lender"), [row.loss for row in rows], RED)],
            unit="HKD",
        ),
        Chart(
            _("Calls and forced sales by haircut"),
            "bar",
            labels,
            [
                Series(_("calls"), [row.calls for row in rows], BLUE),
                Series(_("forced sales"), [row.sales for row in rows], AMBER),
            ],
        ),
    )


def _table(rows: Sequence[HaircutOutcomeRow]) -> Table:
    columns = ("haircut", "lent", "calls", "sales", "sold", "losers", "loss", "thinnest_cover")
    return Table(
        _("The same coins under each haircut"),
        [Column(HaircutOutcomeRow._meta.get_field(name).verbose_name, is_number=True) for name in columns],  # type: ignore[union-attr]
        [
            [
                percent(row.haircut, 0),
                money(row.lent),
                row.calls,
                row.sales,
                money(row.sold),
                row.losers,
                money(row.loss),
                NOTHING if row.thinnest_cover is None else percent(row.thinnest_cover),
            ]
            for row in rows
        ],
        note=_("Lent 0.90 to 0.99 of margin value on coins alone; an unmet call is sold at the next close."),
    )
