"""The clock's way in. Every task is a sweep over what is due and may run twice, late, or beside itself.

A firm whose job fails does not hold up the others; the task then fails as a whole, and the next beat finds
its work again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from celery import shared_task

from ledger.core import clock

from . import accrual
from .calls import advance_due, review_calls
from .contract_notes.deadlines import tell_late
from .contract_notes.issuing import issue_due
from .decisions import lapse_disputes
from .due_times import heed_severe_weather
from .expectations import expect_calls
from .models import Broker
from .notices.relay import escalate, remind, send_due
from .sales.execution import advance_sales
from .sales.outcome import conclude
from .sales.planning import plan_overdue
from .sales.settlement import settle_due
from .stress.runs import run_monthly
from .valuations import run_valuation

logger = logging.getLogger(__name__)


@shared_task
def value_accounts() -> None:
    """Value every facility and review its calls; beats within one minute share one run."""
    moment = clock.now().replace(second=0, microsecond=0)

    def value(broker: Broker) -> None:
        review_calls(run=run_valuation(broker=broker, at=moment))
        expect_calls(broker=broker)

    _for_each_broker("value_accounts", value)


@shared_task
def advance_calls() -> None:
    """Take calls past their due time and plan the sales of those that are overdue.

    A severe weather day is heeded first: nobody is late by a day that was none.
    """

    def advance(broker: Broker) -> None:
        heed_severe_weather(broker=broker)
        lapse_disputes(broker=broker)
        advance_due(broker=broker)
        plan_overdue(broker=broker)

    _for_each_broker("advance_calls", advance)


@shared_task
def send_notices() -> None:
    """Remind clients of what falls due, hand over what was written, and tell the staff of what did not leave."""

    def send(broker: Broker) -> None:
        remind(broker=broker)
        send_due(broker=broker)
        escalate(broker=broker)

    _for_each_broker("send_notices", send)


@shared_task
def work_sales() -> None:
    """Work released sales at their venues and conclude what is done."""

    def work(broker: Broker) -> None:
        advance_sales(broker=broker)
        conclude(broker=broker)

    _for_each_broker("work_sales", work)


@shared_task
def settle_sales() -> None:
    """Settle fills that are due and conclude the calls behind them."""

    def settle(broker: Broker) -> None:
        settle_due(broker=broker)
        conclude(broker=broker)

    _for_each_broker("settle_sales", settle)


@shared_task
def accrue_interest() -> None:
    """Accrue every day up to yesterday and book the months that have ended.

    What settled late is settled first: interest stops on the settlement date, whenever the job came round.
    """

    def accrue(broker: Broker) -> None:
        settle_due(broker=broker, on=clock.today() - timedelta(days=1))
        accrual.catch_up(broker=broker)

    _for_each_broker("accrue_interest", accrue)


@shared_task
def issue_contract_notes() -> None:
    """Issue the notes of the days that have ended, and tell the staff of those that are late."""

    def issue(broker: Broker) -> None:
        issue_due(broker=broker)
        tell_late(broker=broker)

    _for_each_broker("issue_contract_notes", issue)


@shared_task
def stress_accounts() -> None:
    """Run the month's stress test of each firm that has none yet; a day that was missed is made up for."""

    def stress(broker: Broker) -> None:
        run_monthly(broker=broker)

    _for_each_broker("stress_accounts", stress)


def _for_each_broker(job: str, work: Callable[[Broker], None]) -> None:
    failures: list[Exception] = []
    for broker in Broker.objects.select_related("book").order_by("pk"):
        try:
            work(broker)
        except Exception as error:
            logger.exception("job_failed", extra={"job": job, "broker": broker.code})
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{job} failed for {len(failures)} brokers", failures)
