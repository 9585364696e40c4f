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

from collateral.caps import Ceiling, Scope, Worth, add_up, ceilings, under_ceilings
from collateral.haircuts import haircuts_on
from collateral.models import LendingHaircut, Product
from collateral.prices import PriceState
from collateral.valuation import AccountValue, Debt, Holding, classify, value_account, value_quantity
from ledger.core import clock
from ledger.core.clock import HONG_KONG
from ledger.core.decimals import ZERO
from ledger.core.errors import Conflict
from ledger.core.events import SYSTEM, record_event
from ledger.models import Asset

from .clients import BASE_CURRENCY
from .market import Market, lending_terms
from .models import (
    Broker,
    Facility,
    MarginPolicy,
    Valuation,
    ValuationCap,
    ValuationLine,
    ValuationRun,
    ValuationRunTotal,
)
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
    ceilings: tuple[Ceiling, ...] = ()

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
    facilities = [facility, *_peers([facility])]
    found = positions(broker, facilities)
    position = found[facility.pk]
    for code, quantity in (less or {}).items():
        held = position.cash if code in position.cash else position.pledged
        held[code] = max(held.get(code, ZERO) - quantity, ZERO)
    for code, quantity in (more or {}).items():
        position.pledged[code] = position.pledged.get(code, ZERO) + quantity
    position.principal += more_loan
    market = _market(broker, found.values(), moment, facility.currency)
    policy = policy_on(broker, moment)
    return _within_caps([_assess(each, found[each.pk], market, policy) for each in facilities])[0]


def forecast(broker: Broker, facilities: Sequence[Facility], *, haircuts_on: date) -> list[Assessment]:
    """Value facilities of one firm now, with the haircuts and terms that will apply on a day to come."""
    if not facilities:
        return []
    now = clock.now()
    valued = [*facilities, *_peers(facilities)]
    found = positions(broker, valued)
    market = _market(broker, found.values(), now, BASE_CURRENCY)
    market = replace(
        market,
        haircuts=_haircuts(broker, haircuts_on),
        terms=lending_terms(broker, market.assets.values(), haircuts_on),
    )
    policy = policy_on(broker, now)
    return _within_caps([_assess(each, found[each.pk], market, policy) for each in valued])[: len(facilities)]


def before_caps(broker: Broker, facilities: Sequence[Facility], *, at: datetime) -> list[Assessment]:
    """Value facilities of one firm at one moment as if it had no caps; the stress test shocks these."""
    found = positions(broker, facilities)
    market = _market(broker, found.values(), at, BASE_CURRENCY)
    policy = policy_on(broker, at)
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
        uncapped = [_assess(f, found[f.pk], market, policy) for f in facilities]
        firm = add_up(map(_worths, uncapped))
        if any(cap.scope == Scope.FIRM for cap in market.caps):
            ValuationRunTotal.objects.bulk_create(
                ValuationRunTotal(run=run, asset=market.assets[code], margin_value=worth.margin_value)
                for code, worth in firm.items()
            )
        store(_within_caps(uncapped, firm=firm), run=run)
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
                uncapped_margin_value=_uncapped(line.holding),
            )
            for valuation, assessment in zip(valuations, assessments, strict=True)
            for line in assessment.value.lines
        ],
        batch_size=2_000,
    )
    bound = [
        ValuationCap(
            valuation=valuation,
            cap_id=ceiling.ref,
            asset=assessment.market.assets[ceiling.code],
            base=ceiling.base,
            scope_value=ceiling.scope_value,
            ceiling=ceiling.amount,
        )
        for valuation, assessment in zip(valuations, assessments, strict=True)
        for ceiling in assessment.ceilings
    ]
    if bound:
        ValuationCap.objects.bulk_create(bound, batch_size=2_000)
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
        term_sheet_id=assessment.market.terms.sheet_id,
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


def _assess(
    facility: Facility,
    position: Position,
    market: Market,
    policy: MarginPolicy,
    bound: Sequence[Ceiling] = (),
) -> Assessment:
    holdings = under_ceilings(_holdings(facility, position, market), bound)
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
        ceilings=tuple(bound),
    )


def _within_caps(
    uncapped: Sequence[Assessment], *, firm: Mapping[str, Worth] | None = None
) -> list[Assessment]:
    """Hold assessments of one market against its caps; all members of a group must be among them.

    `firm` is the uncapped margin value of all accounts; without it the last run's is taken, with each account
    as it stands now.
    """
    if not uncapped or not uncapped[0].market.caps:
        return list(uncapped)
    caps = uncapped[0].market.caps
    groups: dict[int, list[Mapping[str, Worth]]] = {}
    for assessment in uncapped:
        if (group := assessment.facility.client.group_id) is not None:
            groups.setdefault(group, []).append(_worths(assessment))
    together = {group: add_up(accounts) for group, accounts in groups.items()}
    is_firm_capped = any(cap.scope == Scope.FIRM for cap in caps)
    if firm is None and is_firm_capped:
        firm = _firm_as_of_last_run(uncapped)
    capped = []
    for assessment in uncapped:
        own = _worths(assessment)
        totals = {
            Scope.FIRM: firm or own,
            Scope.GROUP: together.get(assessment.facility.client.group_id or 0, own),
        }
        bound = ceilings(own, totals, caps)
        if bound:
            assessment = _assess(
                assessment.facility, assessment.position, assessment.market, assessment.policy, bound
            )
        capped.append(assessment)
    return capped


def _worths(assessment: Assessment) -> dict[str, Worth]:
    """The uncapped margin value of what is pledged by asset; money is not collateral that is capped."""
    kinds = {code: asset.kind for code, asset in assessment.market.assets.items()}
    return {
        line.holding.code: Worth(line.margin_value, kinds[line.holding.code] != Asset.Kind.SECURITY)
        for line in assessment.value.lines
        if kinds[line.holding.code] != Asset.Kind.FIAT
    }


def _peers(facilities: Sequence[Facility]) -> list[Facility]:
    """The other open facilities of the client groups that these belong to."""
    groups = {facility.client.group_id for facility in facilities} - {None}
    if not groups:
        return []
    members = Facility.objects.filter(client__group__in=groups, closed_on__isnull=True)
    others = members.exclude(pk__in=[facility.pk for facility in facilities])
    return list(others.select_related("client__broker__book").order_by("pk"))


def _firm_as_of_last_run(uncapped: Sequence[Assessment]) -> dict[str, Worth]:
    """What all accounts had at the last complete run, these ones as they stand now."""
    broker = uncapped[0].facility.client.broker
    now = add_up(map(_worths, uncapped))
    run = (
        ValuationRun.objects.filter(broker=broker, status=ValuationRun.Status.COMPLETE)
        .order_by("-valued_at")
        .first()
    )
    if run is None:
        return now
    then: dict[str, Worth] = {}
    for total in run.totals.select_related("asset"):
        is_virtual = total.asset.kind != Asset.Kind.SECURITY
        then[total.asset.code] = Worth(total.margin_value, is_virtual)
    lines = ValuationLine.objects.filter(
        valuation__run=run, valuation__facility__in=[assessment.facility for assessment in uncapped]
    )
    for line in lines.select_related("asset"):
        code = line.asset.code
        if code in then:
            own = line.margin_value if line.uncapped_margin_value is None else line.uncapped_margin_value
            then[code] = Worth(then[code].margin_value - own, then[code].is_virtual)
    return add_up([then, now])


def _uncapped(holding: Holding) -> Decimal | None:
    if holding.ceiling is None:
        return None
    return value_quantity(replace(holding, ceiling=None), holding.quantity)[1]


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
