"""Every facility against its collateral: the scheduled run, and one account at a time.

A run is claimed by (broker, moment), values all facilities from one snapshot of book and market, and is
complete or says that it is not: an interrupted run is taken up again by whoever asks for the same moment.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from collateral.haircuts import haircuts_on
from collateral.models import LendingHaircut, Product
from collateral.prices import PriceState
from collateral.valuation import AccountValue, Debt, Holding, classify, value_account
from ledger.core import clock
from ledger.core.clock import HONG_KONG
from ledger.core.decimals import ZERO
from ledger.core.errors import Conflict
from ledger.core.events import SYSTEM, record_event
from ledger.models import Asset

from .clients import BASE_CURRENCY
from .market import Market
from .models import Broker, Facility, MarginPolicy, Valuation, ValuationLine, ValuationRun
from .positions import Position, positions


@dataclass(frozen=True, slots=True)
class Assessment:
    """One facility valued in memory: the kernel's figures and the market they came from."""

    facility: Facility
    position: Position
    market: Market
    policy: MarginPolicy
    value: AccountValue
    level: str
    securities_margin_value: Decimal
    soft_stale: tuple[str, ...]
    hard_stale: tuple[str, ...]

    @property
    def stale(self) -> tuple[str, ...]:
        return (*self.soft_stale, *self.hard_stale)


def policy_on(broker: Broker, moment: datetime) -> MarginPolicy:
    """Return the approved policy in force; there is no default, so none is an error (`no_policy`)."""
    policy = (
        MarginPolicy.objects.filter(
            broker=broker,
            approval=MarginPolicy.Approval.APPROVED,
            valid_from__lte=moment.astimezone(HONG_KONG).date(),
        )
        .order_by("-valid_from", "-pk")
        .first()
    )
    if policy is None:
        raise Conflict(_("%(broker)s has no approved margin policy.") % {"broker": broker}, code="no_policy")
    return policy


def assess(
    facility: Facility,
    *,
    at: datetime | None = None,
    less: Mapping[str, Decimal] | None = None,
    more: Mapping[str, Decimal] | None = None,
    more_loan: Decimal = ZERO,
) -> Assessment:
    """Value one facility now, as it is or as it would be.

    `less` takes quantities away by asset code (money from cash), `more` pledges further ones, `more_loan`
    adds to the principal: the same code answers the what-if and the live valuation.
    """
    moment = at or clock.now()
    broker = facility.client.broker
    position = positions(broker, [facility])[facility.pk]
    for code, quantity in (less or {}).items():
        held = position.cash if code in position.cash else position.pledged
        held[code] = max(held.get(code, ZERO) - quantity, ZERO)
    for code, quantity in (more or {}).items():
        position.pledged[code] = position.pledged.get(code, ZERO) + quantity
    position.principal += more_loan
    market = _market(broker, [position], moment, facility.currency)
    return _assess(facility, position, market, policy_on(broker, moment))


def forecast(broker: Broker, facilities: Sequence[Facility], *, haircuts_on: date) -> list[Assessment]:
    """Value facilities of one firm now, with the haircuts that will apply on a day to come."""
    if not facilities:
        return []
    now = clock.now()
    found = positions(broker, list(facilities))
    market = replace(
        _market(broker, found.values(), now, BASE_CURRENCY), haircuts=_haircuts(broker, haircuts_on)
    )
    policy = policy_on(broker, now)
    return [_assess(facility, found[facility.pk], market, policy) for facility in facilities]


def latest(facility: Facility) -> Valuation | None:
    """Return the newest stored valuation of a facility."""
    return Valuation.objects.filter(facility=facility).order_by("-valued_at", "-pk").first()


def run_valuation(*, broker: Broker, at: datetime | None = None, actor: str = SYSTEM) -> ValuationRun:
    """Value every open facility of a broker at one moment and store it; a second call changes nothing.

    Raises :class:`Conflict` (`no_policy`) until a margin policy has been approved.
    """
    moment = at or clock.now()
    run, _created = ValuationRun.objects.get_or_create(broker=broker, valued_at=moment)
    with transaction.atomic():
        run = (
            ValuationRun.objects.select_for_update(no_key=True).select_related("broker__book").get(pk=run.pk)
        )
        if run.status == ValuationRun.Status.COMPLETE:
            return run
        facilities = list(
            Facility.objects.filter(client__broker=broker, closed_on__isnull=True)
            .select_related("client__broker__book")
            .order_by("pk")
        )
        policy = policy_on(broker, moment)
        found = positions(broker, facilities)
        market = _market(broker, found.values(), moment, BASE_CURRENCY)
        store([_assess(f, found[f.pk], market, policy) for f in facilities], run=run)
        run.status = ValuationRun.Status.COMPLETE
        run.account_count = len(facilities)
        run.save(update_fields=["status", "account_count"])
        record_event(
            "margin.valuation.completed", run, actor=actor, broker_code=broker.code, accounts=len(facilities)
        )
    return run


def store(assessments: Collection[Assessment], *, run: ValuationRun | None = None) -> list[Valuation]:
    """Keep assessments as rows that name the price, rate and haircut rows they were made of."""
    valuations = Valuation.objects.bulk_create([_row(assessment, run) for assessment in assessments])
    ValuationLine.objects.bulk_create(
        [
            ValuationLine(
                valuation=valuation,
                asset=assessment.market.assets[line.holding.code],
                quantity=line.holding.quantity,
                price_id=_row_id(line.holding.price_ref),
                fx_rate_id=_row_id(line.holding.fx_ref),
                haircut_id=_row_id(line.holding.haircut_ref),
                market_value=line.market_value,
                margin_value=line.margin_value,
            )
            for valuation, assessment in zip(valuations, assessments, strict=True)
            for line in assessment.value.lines
        ],
        batch_size=2_000,
    )
    return valuations


def debts_of(principal: Decimal, interest: Decimal) -> list[Debt]:
    """The two debts of a facility, as the live valuation and its replay both name them."""
    return [Debt("principal", principal), Debt("interest", interest)]


def _row_id(reference: Hashable) -> int | None:
    """The kernel repeats references without reading them; here they are ids of rows."""
    return reference if isinstance(reference, int) else None


def _row(assessment: Assessment, run: ValuationRun | None) -> Valuation:
    value, position = assessment.value, assessment.position
    return Valuation(
        run=run,
        facility=assessment.facility,
        policy=assessment.policy,
        valued_at=assessment.market.at,
        principal=position.principal,
        interest=position.interest,
        cash=value.cash,
        loan=value.loan,
        market_value=value.market_value,
        margin_value=value.margin_value,
        securities_margin_value=assessment.securities_margin_value,
        credit_limit=value.credit_limit,
        deficiency=value.deficiency,
        utilisation=value.utilisation,
        level=assessment.level,
        has_soft_stale_price=bool(assessment.soft_stale),
        has_hard_stale_price=bool(assessment.hard_stale),
    )


def _haircuts(broker: Broker, on: date) -> dict[int, LendingHaircut]:
    return haircuts_on(on, entity_type=broker.entity_type, product=Product.MARGIN_LOAN)


def _market(broker: Broker, held: Collection[Position], moment: datetime, currency: str) -> Market:
    codes = {code for position in held for code in position.holdings()}
    codes |= {code for position in held for code in position.cash if code != currency}
    return Market.at_moment(broker, codes, at=moment, currency=currency)


def _assess(facility: Facility, position: Position, market: Market, policy: MarginPolicy) -> Assessment:
    holdings = _holdings(facility, position, market)
    value = value_account(
        holdings,
        debts_of(position.principal, position.interest),
        cash=position.cash.get(facility.currency, ZERO) + position.proceeds,
        credit_limit=facility.credit_limit.amount,
    )
    states = {holding.code: market.state(holding.code) for holding in holdings if holding.quantity}
    return Assessment(
        facility=facility,
        position=position,
        market=market,
        policy=policy,
        value=value,
        level=classify(
            value,
            warn=policy.warn_utilisation,
            call=policy.call_utilisation,
            immediate=policy.immediate_utilisation,
        ),
        securities_margin_value=sum(
            (
                line.margin_value
                for line in value.lines
                if market.assets[line.holding.code].kind == Asset.Kind.SECURITY
            ),
            Decimal("0.00"),
        ),
        soft_stale=tuple(code for code, state in states.items() if state == PriceState.SOFT),
        hard_stale=tuple(
            code for code, state in states.items() if state in (PriceState.HARD, PriceState.MISSING)
        ),
    )


def _holdings(facility: Facility, position: Position, market: Market) -> list[Holding]:
    client = facility.client
    day = market.at.astimezone(HONG_KONG).date()
    starts = (client.va_financing_from, client.broker.va_financing_from)
    counts = all(start is not None and start <= day for start in starts)
    foreign = {code: quantity for code, quantity in position.cash.items() if code != facility.currency}
    quantities = {**position.holdings(), **dict(sorted(foreign.items()))}
    return [
        market.holding(code, quantity, counts_virtual_assets=counts) for code, quantity in quantities.items()
    ]
