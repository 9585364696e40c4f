"""Day by day through the summer of 2022: the clock is set, and production's own jobs run.

A trading day has its virtual asset price at 08:00, the opening at 09:30 and the close at 16:08; a weekend has
only the first. Clients answer their calls at 11:00 after their habit. In the evening the officers look at what
became overdue: one submits the plans, the other releases them, and what can only trade in session waits for
the next opening. The last evening's plans are left for the reader to release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction

from collateral.models import Instrument
from ledger.core import clock
from ledger.core.calendars import EXCHANGE, get_calendar
from ledger.core.decimals import ZERO, ceil_to, round_up
from ledger.core.events import record_event
from ledger.core.models import Event
from ledger.tasks import run_audit
from margin import tasks
from margin.custody import deposit_cash, deposit_collateral
from margin.models import Broker, ForcedSale, MarginCall
from margin.sales.release import approve_sale, submit_for_release
from margin.valuations import assess

from .clients import ACTOR, habit
from .firm import CHECKER, MAKER, STORY_FROM, STORY_TO, moment

DAY_TOPIC: Final = "deploy.demo.day_lived"
# A client who pays rounds up, so that a few cents of interest do not call them again the same evening.
PAYMENT_STEP: Final = Decimal(1000)


def days_left(broker: Broker) -> list[date]:
    """Return the days of the story that were not lived yet."""
    lived = set(
        Event.objects.filter(topic=DAY_TOPIC, broker_code=broker.code).values_list("payload__on", flat=True)
    )
    days = (STORY_FROM + timedelta(days=n) for n in range((STORY_TO - STORY_FROM).days + 1))
    return [day for day in days if day.isoformat() not in lived]


def live(broker: Broker, advance: Callable[[date], None]) -> None:
    """Live every day that is left; a day that was broken off is lived again, and its jobs find what they did."""
    for day in days_left(broker):
        _live(broker, day)
        advance(day)


def _live(broker: Broker, day: date) -> None:
    with _at(day, time(0, 5)):
        tasks.accrue_interest()
        tasks.issue_contract_notes()
    with _at(day, time(8, 5)):
        _value_and_sell()
    if get_calendar(EXCHANGE).is_open(day):
        with _at(day, time(9, 31)):
            tasks.settle_sales()
            tasks.work_sales()
        with _at(day, time(11)):
            _answer_calls(broker, day)
        with _at(day, time(16, 35)):
            _value_and_sell()
            _release(broker, is_last=day == STORY_TO)
            tasks.work_sales()
            if day == STORY_TO:
                tasks.stress_accounts()
                run_audit()
    with _at(day, time(23, 59)), transaction.atomic():
        record_event(DAY_TOPIC, broker, actor=ACTOR, broker_code=broker.code, on=day.isoformat())


def _value_and_sell() -> None:
    tasks.value_accounts()
    tasks.advance_calls()
    tasks.work_sales()


@contextmanager
def _at(day: date, when: time) -> Iterator[None]:
    with clock.override(moment(day, when)):
        yield


def _answer_calls(broker: Broker, day: date) -> None:
    """Each client with a call that is not yet at sale answers after their habit, once a day."""
    waiting = MarginCall.objects.filter(
        facility__client__broker=broker, status__in=MarginCall.RUNNING, issued_at__lt=clock.now()
    ).select_related("facility__client__broker__book")
    for call in list(waiting.order_by("pk")):
        client = call.facility.client
        missing = assess(call.facility).value.deficiency
        if missing == ZERO:
            continue
        key = f"answer-{call.number}-{day}"
        match habit(client):
            case "pays":
                _pay(call, missing, key)
            case "pays_half":
                _pay(call, round_up(missing / 2), key)
            case "tops_up":
                _top_up(call, missing, key)


def _pay(call: MarginCall, amount: Decimal, key: str) -> None:
    deposit_cash(
        client=call.facility.client,
        currency=call.facility.currency,
        amount=round_up(ceil_to(amount, PAYMENT_STEP)),
        key=key,
        actor=ACTOR,
    )


def _top_up(call: MarginCall, missing: Decimal, key: str) -> None:
    """Deposit more of the largest share already pledged, in board lots, at its margin ratio."""
    now = assess(call.facility)
    shares = [
        line
        for line in now.value.lines
        if line.margin_ratio and now.market.instruments[line.holding.code].venue == Instrument.Venue.SEHK
    ]
    if not shares:
        return
    line = max(shares, key=lambda share: share.market_value)
    instrument = now.market.instruments[line.holding.code]
    quantity = ceil_to(missing / line.margin_ratio / line.holding.price, Decimal(instrument.board_lot or 1))
    deposit_collateral(
        client=call.facility.client, asset=line.holding.code, quantity=quantity, key=key, actor=ACTOR
    )


def _release(broker: Broker, *, is_last: bool) -> None:
    """Four eyes: one officer submits what was planned, the other releases it by its hash."""
    maker, checker = User.objects.get(username=MAKER), User.objects.get(username=CHECKER)
    planned = ForcedSale.objects.filter(
        call__facility__client__broker=broker, status=ForcedSale.Status.PLANNED
    ).order_by("pk")
    for sale in list(planned):
        submitted = submit_for_release(sale=sale, maker=maker)
        if not is_last:
            approve_sale(sale=submitted, checker=checker, plan_hash=submitted.plan_hash)
