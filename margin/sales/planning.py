"""From an overdue call to a plan that can be approved: what to sell, why, and what it should bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from django.db.models import Max
from moneyed import Money

from collateral.models import Instrument
from collateral.prices import PriceState
from ledger.core import clock
from ledger.core.calendars import settlement_date
from ledger.core.clock import HONG_KONG
from ledger.core.decimals import ZERO, plain, round_up
from ledger.core.events import SYSTEM, record_event
from ledger.core.idempotency import body_hash
from ledger.core.models import Event
from margin import states
from margin.decisions import is_held_back
from margin.interest import DAYS_PER_YEAR
from margin.lifecycle import transition
from margin.models import Broker, Facility, Fill, ForcedSale, MarginCall, RatePlan, SaleLeg
from margin.models.valuation import Level
from margin.notices.relay import was_handed_over
from margin.valuations import Assessment, assess, store

from .fees import RATE_PLACES, FeeSchedule, sehk_charges_on
from .planner import Candidate, Outcome, SalePlan, plan_sale
from .shortfall import book_shortfall
from .switch import Stops, stops_of

# Regulation 8.4: T+2 since 1992; the lag is one settlement parameter of the exchange.
SETTLEMENT_LAG_DAYS: Final = 2


def plan_overdue(*, broker: Broker, actor: str = SYSTEM) -> list[ForcedSale]:
    """Plan a sale for every overdue call of a broker that has none; returns the plans made."""
    stops = stops_of(broker)
    if stops.is_firm:
        return []
    overdue = (
        MarginCall.objects.filter(facility__client__broker=broker, status=MarginCall.Status.OVERDUE)
        .exclude(facility__in=stops.accounts)
        .order_by("facility_id")
    )
    planned = (_plan(pk, actor) for pk in list(overdue.values_list("pk", flat=True)))
    return [sale for sale in planned if sale is not None]


@transaction.atomic
def _plan(call_id: int, actor: str) -> ForcedSale | None:
    """Plan the least-cost sale that brings one overdue call's account to the policy's target.

    Returns None when there is nothing to plan: a sweep beside this one was here first, a deviation holds the
    sale back, the demand has not left yet (I12), the call was met in the meantime, no asset may be sold at
    present (stale or suspended: the call stays overdue and an event says why), an earlier sale still has to
    settle, or nothing is left at all, which books the shortfall.
    """
    facility = (
        Facility.objects.select_for_update(of=("self",), no_key=True)
        .select_related("client__broker__book")
        .get(calls=call_id)
    )
    call = MarginCall.objects.select_for_update(no_key=True).get(pk=call_id)
    call.facility = facility
    if call.status != MarginCall.Status.OVERDUE or is_held_back(call):
        return None
    if not call.is_immediate and not was_handed_over(call):
        return None
    assessment = assess(facility)
    if assessment.level not in (Level.CALL, Level.IMMEDIATE):
        if not assessment.hard_stale:
            valuation = store([assessment])[0]
            transition(call, "cured", actor=actor, closed_at=clock.now(), closing_valuation=valuation)
        return None
    plan = make_plan(assessment, assessment.position.pledged)
    if not plan.legs:
        _nothing_to_sell(call, assessment, plan, actor)
        return None
    return _keep(call, assessment, plan, actor)


def make_plan(assessment: Assessment, offered: Mapping[str, Decimal]) -> SalePlan:
    """Ask the planner for the least-cost sale out of `offered` (units by asset code) at present prices."""
    held = {line.holding.code: line.holding for line in assessment.value.lines}
    interest = interest_until_settlement(assessment)
    stops = stops_of(assessment.facility.client.broker)
    return plan_sale(
        loan=assessment.value.loan,
        holdings=list(held.values()),
        candidates=[
            _unless_stopped(candidate(assessment, code, quantity, interest), assessment, stops)
            for code, quantity in sorted(offered.items())
            if quantity > ZERO and held[code].price > ZERO
        ],
        target=assessment.policy.target_utilisation,
        credit_limit=assessment.value.credit_limit,
    )


def _unless_stopped(offer: Candidate, assessment: Assessment, stops: Stops) -> Candidate:
    """Keep out what a kill switch holds, whatever the reason it could not be sold anyway."""
    if not stops.holds(assessment.market.instruments[offer.code], assessment.facility.pk):
        return offer
    return replace(offer, is_tradable=False, reason="stopped")


def interest_until_settlement(assessment: Assessment) -> Decimal:
    """Return what a dollar of the loan goes on costing until shares sold today settle, as a fraction rounded up.

    The rate is the plan's within the margin value; interest stops on the settlement date (I14).
    """
    facility, on = assessment.facility, assessment.market.at.astimezone(HONG_KONG).date()
    plans = RatePlan.objects.filter(
        broker=facility.client.broker, name=facility.rate_plan, valid_from__lte=on
    )
    plan = plans.order_by("-valid_from").first()
    days = (settlement_date(on, SETTLEMENT_LAG_DAYS) - on).days
    return ZERO if plan is None else round_up(plan.rate_per_annum * days / DAYS_PER_YEAR, RATE_PLACES)


def candidate(assessment: Assessment, code: str, quantity: Decimal, interest_rate: Decimal) -> Candidate:
    """Describe what may be sold of one asset; a hard-stale price or a suspension keeps it out (8.18).

    `interest_rate` is what shares cost until they settle; coins settle at once.
    """
    market = assessment.market
    instrument, quote = market.instruments[code], market.quotes[code]
    today = market.at.astimezone(HONG_KONG).date()
    reason = ""
    if market.state(code) in (PriceState.HARD, PriceState.MISSING):
        reason = "stale_price"
    elif instrument.status != Instrument.Status.LISTED:
        reason = "not_listed"
    return Candidate(
        code=code,
        quantity=quantity,
        step=instrument.step,
        price=quote.price,
        fees=charges(assessment.facility.client.broker, instrument, on=today),
        fx_rate=market.rates[quote.currency].bid,
        is_tradable=not reason,
        reason=reason,
        interest_rate=ZERO if instrument.venue == Instrument.Venue.VATP else interest_rate,
    )


def charges(broker: Broker, instrument: Instrument, *, on: date) -> FeeSchedule:
    """Return what selling this instrument on a trade date costs a client of `broker`."""
    if instrument.venue == Instrument.Venue.VATP:
        return FeeSchedule(venue_fee_rate=broker.virtual_asset_fee_rate)
    schedule = sehk_charges_on(on, broker.commission_rate, broker.commission_minimum)
    return schedule if instrument.is_stamp_dutiable else replace(schedule, stamp_rate=ZERO)


def _keep(call: MarginCall, assessment: Assessment, plan: SalePlan, actor: str) -> ForcedSale:
    valuation = store([assessment])[0]
    content = _content(call, assessment, plan, valuation.pk)
    last = ForcedSale.objects.filter(call=call).aggregate(number=Max("plan_number"))["number"] or 0
    sale = ForcedSale.objects.create(
        call=call,
        plan_number=last + 1,
        valuation=valuation,
        plan=content,
        plan_hash=body_hash(content),
        target_utilisation=plan.target,
        expected_gross=Money(plan.total_gross, call.facility.currency),
        is_optimality_proved=plan.is_optimality_proved,
        planned_at=clock.now(),
    )
    SaleLeg.objects.bulk_create(_legs(sale, assessment, plan))
    transition(call, "planned", actor=actor)
    record_event(
        "margin.sale.planned",
        sale,
        actor=actor,
        broker_code=call.facility.client.broker.code,
        plan_hash=sale.plan_hash,
        outcome=plan.outcome,
    )
    _release_by_rule(sale, call, assessment, plan, actor)
    return sale


def _release_by_rule(
    sale: ForcedSale, call: MarginCall, assessment: Assessment, plan: SalePlan, actor: str
) -> None:
    """Margin-peers 5.2: at the immediate level, below the policy's limit and on fresh prices only."""
    limit = assessment.policy.automatic_release_limit.amount
    if not call.is_immediate or plan.total_gross > limit or assessment.stale:
        return
    sale.approval_rule = f"immediate-level-within-limit/policy-{assessment.policy.pk}"
    sale.approved_hash = sale.plan_hash
    sale.approved_at = clock.now()
    sale.status = states.step(states.SALE, sale.status, "released_by_rule")
    sale.save(update_fields=["approval_rule", "approved_hash", "approved_at", "status"])
    record_event(
        "margin.sale.approved",
        sale,
        actor=actor,
        reason=sale.approval_rule,
        broker_code=call.facility.client.broker.code,
        plan_hash=sale.plan_hash,
    )


def _legs(sale: ForcedSale, assessment: Assessment, plan: SalePlan) -> list[SaleLeg]:
    market, currency = assessment.market, assessment.facility.currency
    return [
        SaleLeg(
            sale=sale,
            position=position,
            asset=market.assets[leg.code],
            quantity=leg.quantity,
            reference_price=leg.limit_price,
            currency=market.quotes[leg.code].currency,
            expected_gross=Money(leg.gross, currency),
            expected_fees=Money(leg.fees.total, currency),
            why=str(leg.why),
        )
        for position, leg in enumerate(plan.legs, start=1)
    ]


def _content(call: MarginCall, assessment: Assessment, plan: SalePlan, valuation_id: int) -> dict[str, Any]:
    """What is approved: everything that the release of a plan commits the firm to, and why."""
    utilisation = plan.utilisation_after
    return {
        "call": call.reference,
        "valuation": valuation_id,
        "policy": assessment.policy.pk,
        "target_utilisation": plain(plan.target),
        "outcome": str(plan.outcome),
        "is_optimality_proved": plan.is_optimality_proved,
        "loan_before": plain(plan.loan_before),
        "loan_after": plain(plan.loan_after),
        "margin_value_before": plain(plan.margin_value_before),
        "margin_value_after": plain(plan.margin_value_after),
        "shortage_before": plain(plan.shortage_before),
        "utilisation_after": None if utilisation is None else plain(utilisation),
        "legs": [
            {
                "asset": leg.code,
                "quantity": plain(leg.quantity),
                "reference_price": plain(leg.limit_price),
                "gross": plain(leg.gross),
                "fees": plain(leg.fees.total),
                "interest": plain(leg.interest),
                "impact": plain(leg.impact),
                "net": plain(leg.net),
                "cure_per_dollar": plain(leg.cure_per_dollar),
                "cost_rate": plain(leg.cost_rate),
                "why": str(leg.why),
            }
            for leg in plan.legs
        ],
        "excluded": [{"asset": code, "reason": str(reason)} for code, reason in plan.excluded],
    }


def _nothing_to_sell(call: MarginCall, assessment: Assessment, plan: SalePlan, actor: str) -> None:
    if Fill.objects.filter(order__leg__sale__call__facility=call.facility, settled_at__isnull=True).exists():
        # What was sold is still owed to the client: the residual is known when it settles.
        return
    if assessment.value.market_value == ZERO and not assessment.hard_stale:
        book_shortfall(call, assessment, actor=actor)
        return
    reasons = {code: str(reason) for code, reason in plan.excluded}
    if plan.outcome is Outcome.NOTHING_TO_SELL and not _was_said(call, reasons):
        record_event(
            "margin.sale.blocked",
            call,
            actor=actor,
            broker_code=call.facility.client.broker.code,
            excluded=reasons,
        )


def _was_said(call: MarginCall, reasons: dict[str, str]) -> bool:
    """A sweep runs every minute; the same obstacle is recorded once."""
    last = Event.objects.filter(
        subject_type=call._meta.label_lower, subject_id=str(call.pk), topic="margin.sale.blocked"
    ).first()
    return last is not None and last.payload.get("excluded") == reasons
