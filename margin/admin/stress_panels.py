"""What the pages of stress tests show: loss by scenario, how near accounts are to breaking, and at which prices."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from ledger.core.charts import Chart, Series
from ledger.core.decimals import CONTEXT, round_half_up
from margin.models import StressBreakEven, StressResult, StressRun, StressScenario, StressTotal
from margin.stress.breakeven import BreakEven, Edge
from margin.stress.prices import AssetBreakEven, FacilityBreakEven

from .panel import Column, Panel, Table, Tile
from .show import NOTHING, level_badge, link, list_of, moment, money, page_of, percent, quantity

ROWS: Final = 10
BANDS: Final = 10
AMBER, RED = "oklch(76.9% 0.16 70)", "oklch(63.7% 0.21 25)"
BLUE: Final = "var(--color-primary-600)"
EDGES: Final[dict[Edge, Any]] = {
    Edge.CALL: _("until a call"),
    Edge.IMMEDIATE: _("until an immediate sale"),
    Edge.LOSS: _("until a loss"),
}
COLOURS: Final = {Edge.CALL: BLUE, Edge.IMMEDIATE: AMBER, Edge.LOSS: RED}


def stress_panel(run: StressRun) -> Panel:
    """The firm under each scenario, the clients who lose most, the names that cost most, the thinnest accounts."""
    totals = sorted(run.totals.all(), key=lambda total: total.scenario.number if total.scenario else 0)
    worst = max(totals, key=lambda total: (total.loss, total.deficiency), default=None)
    return Panel(
        tiles=_tiles(run, totals, worst),
        charts=(_by_scenario(totals), _distribution(run)),
        tables=(_scenarios(run, totals), _losers(run, worst), _names(run), _thinnest(run)),
    )


def fall(ratio: Decimal | None) -> Any:
    """How far prices must fall: a percentage, already, or never."""
    if ratio is None:
        return _("never")
    return percent(ratio) if ratio else _("already")


def _tiles(run: StressRun, totals: Sequence[StressTotal], worst: StressTotal | None) -> tuple[Tile, ...]:
    rest = next((total for total in totals if total.scenario is None), None)
    if rest is None or worst is None:
        return ()
    nearest = run.break_evens.filter(of=StressBreakEven.Of.EVERYTHING, to_loss__isnull=False)
    first = nearest.order_by("to_loss", "pk").select_related("facility").first()
    return (
        Tile(
            _("Loss to the lender in the worst scenario"),
            money(worst.loss, "HKD"),
            hint=worst.scenario or _("as it stands"),
            tone="danger" if worst.loss else "success",
        ),
        Tile(
            _("Accounts called in the worst scenario"),
            max(total.calls for total in totals),
            hint=_("%(count)s are called as it stands") % {"count": rest.calls},
        ),
        Tile(
            _("Loans"),
            money(rest.loan, "HKD"),
            hint=_("of %(count)s accounts") % {"count": run.account_count},
        ),
        Tile(
            _("First loss at a fall of everything by"),
            fall(first.to_loss) if first else _("never"),
            page_of(first.facility) if first else "",
        ),
    )


def _by_scenario(totals: Sequence[StressTotal]) -> Chart:
    return Chart(
        _("What each scenario costs"),
        "bar",
        [str(_label(total)) for total in totals],
        [
            Series(_("margin deficiency"), [total.deficiency for total in totals], AMBER),
            Series(_("loss to the lender"), [total.loss for total in totals], RED),
        ],
        unit="HKD",
    )


def _distribution(run: StressRun) -> Chart:
    """Accounts by how far everything must fall, in tenths; the last bar is those that never break."""
    rows = list(
        run.break_evens.filter(of=StressBreakEven.Of.EVERYTHING).values_list(
            "to_call", "to_immediate", "to_loss"
        )
    )
    labels = [f"{10 * band}–{10 * (band + 1)}%" for band in range(BANDS)]
    series = []
    for place, edge in enumerate(Edge):
        counts = [0] * (BANDS + 1)
        for row in rows:
            counts[_band(row[place])] += 1
        series.append(Series(EDGES[edge], counts, COLOURS[edge]))
    return Chart(
        _("Accounts by how far everything must fall"),
        "bar",
        [*labels, str(_("never"))],
        series,
        unit=_("accounts"),
    )


def _band(fall: Decimal | None) -> int:
    return BANDS if fall is None else min(int(fall * BANDS), BANDS - 1)


def _scenarios(run: StressRun, totals: Sequence[StressTotal]) -> Table:
    columns = (
        Column(_("Scenario")),
        Column(_("What moves")),
        Column(_("Called"), is_number=True),
        Column(_("Immediate sale"), is_number=True),
        Column(_("Accounts that lose"), is_number=True),
        Column(_("Margin deficiency"), is_number=True),
        Column(_("Loss to the lender"), is_number=True),
    )
    rows: list[list[object]] = [
        [
            _label(total),
            moves(total.scenario, total.named) if total.scenario else NOTHING,
            total.calls,
            total.immediates,
            total.losers,
            money(total.deficiency),
            money(total.loss),
        ]
        for total in totals
    ]
    return Table(
        _("The firm under each scenario"),
        columns,
        rows,
        more=list_of(StressResult, run__id__exact=run.pk),
        note=_("A loss is what the loan exceeds the market value by, before the costs of selling."),
    )


def moves(scenario: StressScenario, named: str) -> str:
    """Say in a line what a scenario moves, and by how much."""
    parts = [
        (_("securities"), scenario.securities),
        (_("virtual assets"), scenario.virtual_assets),
        (named or _("the costliest name"), scenario.named_change),
        (scenario.currency, scenario.currency_change),
    ]
    return "; ".join(f"{what} {percent(change)}" for what, change in parts if change is not None)


def _label(total: StressTotal) -> Any:
    return total.scenario or _("as it stands")


def _losers(run: StressRun, worst: StressTotal | None) -> Table:
    of_worst = run.results.filter(scenario=worst.scenario if worst else None, deficiency__gt=0)
    losers = of_worst.order_by("-loss", "-deficiency", "pk").select_related("facility__client")[:ROWS]
    rows: list[list[object]] = [
        [
            link(row.facility, row.facility.client),
            level_badge(row.level),
            money(row.loan),
            money(row.market_value),
            money(row.deficiency),
            money(row.loss),
        ]
        for row in losers
    ]
    return Table(
        _("Who loses most in the worst scenario"),
        (
            Column(_("Client")),
            Column(_("Level")),
            Column(_("Loan"), is_number=True),
            Column(_("Market value"), is_number=True),
            Column(_("Margin deficiency"), is_number=True),
            Column(_("Loss to the lender"), is_number=True),
        ),
        rows,
        empty=_("No account would be short."),
    )


def _names(run: StressRun) -> Table:
    names = run.names.select_related("asset").order_by("-loss", "-deficiency", "-market_value", "pk")[:ROWS]
    rows: list[list[object]] = [
        [
            name.asset.code,
            name.asset.name,
            name.holders,
            money(name.market_value),
            name.calls,
            money(name.deficiency),
            money(name.loss),
        ]
        for name in names
    ]
    return Table(
        _("Single names that cost most at a price of nothing"),
        (
            Column(_("Asset")),
            Column(_("Name")),
            Column(_("Accounts that hold it"), is_number=True),
            Column(_("Market value"), is_number=True),
            Column(_("Called"), is_number=True),
            Column(_("Margin deficiency"), is_number=True),
            Column(_("Loss to the lender"), is_number=True),
        ),
        rows,
        empty=_("No security is pledged by a borrowing account."),
        note=_("Calls, deficiency and loss are those of the whole firm."),
    )


def _thinnest(run: StressRun) -> Table:
    rows = (
        run.break_evens.select_related("facility__client")
        .filter(to_loss__isnull=False)
        .order_by(F("to_loss").asc(), "pk")[:ROWS]
    )
    return Table(
        _("The thinnest accounts: how far prices must fall"),
        (
            Column(_("Client")),
            Column(_("What falls")),
            *(Column(words, is_number=True) for words in EDGES.values()),
        ),
        [
            [
                link(row.facility, row.facility.client),
                row.get_of_display(),
                fall(row.to_call),
                fall(row.to_immediate),
                fall(row.to_loss),
            ]
            for row in rows
        ],
        empty=_("No fall would bring an account to a loss."),
        more=list_of(StressBreakEven, run__id__exact=run.pk),
    )


def break_even_charts(now: FacilityBreakEven) -> tuple[Chart, ...]:
    """The price of each asset at each edge, as a share of its price now; a gap is never."""
    if not now.assets:
        return ()
    return (
        Chart(
            _("Price at which the account breaks, of today's"),
            "bar",
            [asset.code for asset in now.assets],
            [
                Series(EDGES[edge], [_share(asset, edge) for asset in now.assets], COLOURS[edge])
                for edge in Edge
            ],
            unit="%",
        ),
    )


def break_even_table(now: FacilityBreakEven) -> Table:
    """The break-even prices of a facility, each with all else unchanged."""
    rows: list[list[object]] = [
        [
            asset.code,
            f"{asset.currency} {quantity(asset.price)}",
            *(_price(asset.edges[edge]) for edge in Edge),
        ]
        for asset in now.assets
    ]
    rows.append([_("Everything falls by"), NOTHING, *(fall(now.falls[edge]) for edge in Edge)])
    return Table(
        _("At which prices the account breaks"),
        (
            Column(_("Asset")),
            Column(_("Price now"), is_number=True),
            *(Column(words, is_number=True) for words in EDGES.values()),
        ),
        rows,
        note=_("As of %(moment)s, all other prices unchanged; above today's price where it is so already.")
        % {"moment": moment(now.at)},
    )


def _price(point: BreakEven) -> Any:
    if point.price is None:
        return _("always") if point.is_always else _("never")
    return quantity(point.price)


def _share(asset: AssetBreakEven, edge: Edge) -> Decimal | None:
    price = asset.edges[edge].price
    return None if price is None else round_half_up(CONTEXT.divide(price, asset.price) * 100, 2)
