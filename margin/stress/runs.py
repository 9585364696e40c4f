"""A scenario set over every borrowing account of a firm: once a month by the clock, at any time by hand.

A run is written whole or not at all, and never changed: the firm's totals, each account under each scenario, each
security to zero, and how far prices must fall for each account. Scenarios see the firm as it stands: positions, haircuts,
tiers and caps of the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from collateral.valuation import AccountValue, classify
from ledger.core import clock
from ledger.core.clock import HONG_KONG
from ledger.core.decimals import ZERO
from ledger.core.errors import Conflict
from ledger.core.events import SYSTEM, record_event
from ledger.models import Asset
from margin.models import (
    Broker,
    Facility,
    MarginPolicy,
    ScenarioSet,
    StressBreakEven,
    StressName,
    StressResult,
    StressRun,
    StressScenario,
    StressTotal,
)
from margin.models.valuation import Level
from margin.valuations import before_caps, policy_on

from .accounts import account_of, levels_of
from .breakeven import Edge, fall_until, wide_ceilings
from .portfolio import SECURITY, Account, Portfolio
from .scenarios import AT_REST, Scenario
from .sets import kernel_scenario, set_on

BATCH: Final = 2_000
CALLED: Final = (Level.CALL, Level.IMMEDIATE)
# Called with how much is done, and of how much.
Advance = Callable[[int, int], None]


class NameLoss(NamedTuple):
    """What a firm would stand at if one security were worth nothing; `market_value` is what it is worth now."""

    code: str
    holders: int
    market_value: Decimal
    calls: int
    deficiency: Decimal
    loss: Decimal


@dataclass(frozen=True, slots=True)
class Firm:
    """The borrowing accounts of a firm at one moment, and their values at rest."""

    portfolio: Portfolio
    policy: MarginPolicy
    assets: dict[str, Asset] = field(default_factory=dict)
    at_rest: Sequence[AccountValue] = ()

    def level(self, value: AccountValue) -> Level:
        return Level(
            classify(
                value,
                warn=self.policy.warn_utilisation,
                call=self.policy.call_utilisation,
                immediate=self.policy.immediate_utilisation,
            )
        )


def run_stress(
    *,
    broker: Broker,
    month: date | None = None,
    scenario_set: ScenarioSet | None = None,
    actor: str = SYSTEM,
    advance: Advance = lambda done, total: None,
) -> StressRun:
    """Run a set of scenarios over a firm now and keep what it finds; for a month that has its run, return that.

    `month` is its first day; without one the run is on demand. Without a set the approved one in force is taken. Raises
    Conflict (`no_scenario_set`, `no_policy`).
    """
    if month is not None and (done := _of_month(broker, month)):
        return done
    moment = clock.now()
    chosen = scenario_set or set_on(broker, moment.astimezone(HONG_KONG).date())
    if chosen is None:
        raise Conflict(
            _("%(broker)s has no approved set of stress scenarios.") % {"broker": broker},
            code="no_scenario_set",
        )
    try:
        with transaction.atomic():
            return _run(broker, chosen, moment, month, actor, advance)
    except IntegrityError:
        # Another worker ran the month at the same time; anything else is not forgiven.
        if month is not None and (done := _of_month(broker, month)):
            return done
        raise


def run_monthly(*, broker: Broker) -> StressRun | None:
    """Run this month's stress test of a firm unless it was run; None where the firm is not live or has no set."""
    today = clock.today()
    if broker.went_live_at is None or set_on(broker, today) is None:
        return None
    return run_stress(broker=broker, month=today.replace(day=1))


def firm_at(broker: Broker, moment: datetime) -> Firm:
    """Read the borrowing accounts of a firm and value them as they stand; the others count towards its caps."""
    facilities = list(
        Facility.objects.filter(client__broker=broker, closed_on__isnull=True)
        .select_related("client__broker__book")
        .order_by("pk")
    )
    found = before_caps(broker, facilities, at=moment)
    if not found:
        return Firm(Portfolio(()), policy_on(broker, moment))
    owing: list[Account] = []
    beside: list[Account] = []
    for each in found:
        owes = any(line.value for line in each.value.debts)
        (owing if owes else beside).append(account_of(each))
    market = found[0].market
    portfolio = Portfolio(owing, market.caps, beside)
    return Firm(portfolio, found[0].policy, market.assets, portfolio.under(AT_REST))


def names_to_zero(firm: Firm) -> Iterator[NameLoss]:
    """Yield what the firm would stand at if one security were worth nothing, each in turn."""
    held: dict[str, Decimal] = {}
    holders: dict[str, int] = {}
    for account, value in zip(firm.portfolio.accounts, firm.at_rest, strict=True):
        for pledge, line in zip(account.pledges, value.lines, strict=True):
            if pledge.kind == SECURITY and pledge.holding.quantity:
                code = pledge.holding.code
                held[code] = held.get(code, ZERO) + line.market_value
                holders[code] = holders.get(code, 0) + 1
    for code in sorted(held):
        values = firm.portfolio.moved(Scenario("to_zero", assets={code: ZERO}), firm.at_rest)
        yield NameLoss(
            code,
            holders[code],
            held[code],
            sum(firm.level(value) in CALLED for value in values),
            sum((value.deficiency for value in values), ZERO),
            sum((loss_of(value) for value in values), ZERO),
        )


def loss_of(value: AccountValue) -> Decimal:
    """What the lender would be left without if everything were sold at these prices, free of charge."""
    return max(-value.equity, ZERO)


def _run(
    broker: Broker,
    chosen: ScenarioSet,
    moment: datetime,
    month: date | None,
    actor: str,
    advance: Advance,
) -> StressRun:
    firm = firm_at(broker, moment)
    scenarios = list(chosen.scenarios.order_by("number"))
    run = StressRun.objects.create(
        broker=broker,
        scenario_set=chosen,
        policy=firm.policy,
        stressed_at=moment,
        month=month,
        account_count=len(firm.portfolio.accounts),
        actor=actor,
    )
    steps = len(scenarios) + 3
    names = list(names_to_zero(firm))
    _keep_names(run, firm, names)
    advance(1, steps)
    _keep(run, firm, None, firm.at_rest, "")
    for number, row in enumerate(scenarios, start=2):
        named = _named(row, names)
        values = firm.portfolio.moved(kernel_scenario(row, named=named), firm.at_rest)
        _keep(run, firm, row, values, " ".join(named))
        advance(number, steps)
    StressBreakEven.objects.bulk_create(_break_evens(run, firm), batch_size=BATCH)
    advance(steps, steps)
    record_event(
        "margin.stress.completed",
        run,
        actor=actor,
        broker_code=broker.code,
        accounts=run.account_count,
        scenarios=len(scenarios),
        month=month.isoformat() if month else None,
    )
    return run


def _named(row: StressScenario, names: Iterable[NameLoss]) -> list[str]:
    """The assets that a scenario names; where it leaves that open, the security that costs the lender most."""
    if not row.is_worst_name:
        return row.named.split()
    worst = max(
        names, key=lambda name: (name.loss, name.deficiency, name.market_value, name.code), default=None
    )
    return [worst.code] if worst else []


def _keep(
    run: StressRun, firm: Firm, row: StressScenario | None, values: Sequence[AccountValue], named: str
) -> None:
    levels = [firm.level(value) for value in values]
    StressResult.objects.bulk_create(
        [
            StressResult(
                run=run,
                scenario=row,
                facility_id=account.ref,
                loan=value.loan,
                market_value=value.market_value,
                margin_value=value.margin_value,
                deficiency=value.deficiency,
                loss=loss_of(value),
                level=level,
            )
            for account, value, level in zip(firm.portfolio.accounts, values, levels, strict=True)
        ],
        batch_size=BATCH,
    )
    StressTotal.objects.create(
        run=run,
        scenario=row,
        named=named,
        calls=sum(level in CALLED for level in levels),
        immediates=sum(level is Level.IMMEDIATE for level in levels),
        losers=sum(loss_of(value) > 0 for value in values),
        loan=sum((value.loan for value in values), ZERO),
        market_value=sum((value.market_value for value in values), ZERO),
        margin_value=sum((value.margin_value for value in values), ZERO),
        deficiency=sum((value.deficiency for value in values), ZERO),
        loss=sum((loss_of(value) for value in values), ZERO),
    )


def _keep_names(run: StressRun, firm: Firm, names: Iterable[NameLoss]) -> None:
    StressName.objects.bulk_create(
        [
            StressName(
                run=run,
                asset=firm.assets[name.code],
                holders=name.holders,
                market_value=name.market_value,
                calls=name.calls,
                deficiency=name.deficiency,
                loss=name.loss,
            )
            for name in names
        ],
        batch_size=BATCH,
    )


def _break_evens(run: StressRun, firm: Firm) -> Iterator[StressBreakEven]:
    levels = levels_of(firm.policy)
    caps = firm.portfolio.caps
    for account, bound in zip(firm.portfolio.accounts, firm.portfolio.bound(), strict=True):
        for what, kinds in _falling(account):
            falls = {
                edge: fall_until(
                    account, edge, levels, kinds=kinds, caps=caps, wide=wide_ceilings(account, bound, caps)
                )
                for edge in Edge
            }
            yield StressBreakEven(
                run=run,
                facility_id=account.ref,
                of=what,
                to_call=falls[Edge.CALL],
                to_immediate=falls[Edge.IMMEDIATE],
                to_loss=falls[Edge.LOSS],
            )


def _falling(account: Account) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Everything, and virtual assets alone where an account holds some beside other collateral."""
    yield StressBreakEven.Of.EVERYTHING, None
    kinds = {pledge.kind for pledge in account.pledges if pledge.holding.quantity}
    if Asset.Kind.VIRTUAL_ASSET in kinds and len(kinds) > 1:
        yield StressBreakEven.Of.VIRTUAL_ASSETS, (Asset.Kind.VIRTUAL_ASSET.value,)


def _of_month(broker: Broker, month: date) -> StressRun | None:
    return StressRun.objects.filter(broker=broker, month=month).first()
