"""The clock's way into the ledger."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

from celery import shared_task
from django.db import transaction

from ledger.core.errors import Conflict
from ledger.core.events import SYSTEM, record_event

from . import audit, limits
from .consumers import consume, registered
from .corporate_actions.actions import carry_out, due_actions
from .holds import expire_due
from .partitions import make_ahead
from .seal.sealer import seal_all

FINDINGS_LOGGED_MAX: Final = 100
ROUNDS_MAX: Final = 100

log = logging.getLogger(__name__)


@shared_task(name="ledger.tasks.make_partitions")
def make_partitions() -> int:
    """Make the months that journals are to lie in, ahead of time, and return how many were made."""
    made = make_ahead()
    if made:
        log.info("ledger.partitions.made", extra={"months": made})
    return made


@shared_task(name="ledger.tasks.run_audit")
def run_audit() -> int:
    """Audit the books, log what was found, record that it was done, and return the number of findings."""
    report = audit.run()
    for finding in report.findings[:FINDINGS_LOGGED_MAX]:
        log.error(
            "ledger.audit.finding",
            extra={"check": finding.check, "subject": finding.subject, "detail": finding.message},
        )
    with transaction.atomic():
        record_event(
            "ledger.audit.completed",
            None,
            actor=SYSTEM,
            checks=len(report.checks),
            findings=len(report.findings),
            findings_by_check=Counter(finding.check for finding in report.findings),
            duration_ms=report.duration_ms,
        )
    return len(report.findings)


@shared_task(name="ledger.tasks.apply_corporate_actions")
def apply_corporate_actions() -> int:
    """Carry out the corporate actions that are due and return how many went on; one that fails stops no other."""
    done = 0
    failures: list[Exception] = []
    for action in due_actions():
        try:
            carry_out(action=action)
            done += 1
        except Conflict as refusal:
            log.info(
                "ledger.corporate_action.waits", extra={"action": action.reference, "code": refusal.reason}
            )
        except Exception as error:
            log.exception("ledger.corporate_action.failed", extra={"action": action.reference})
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} corporate actions failed", failures)
    return done


@shared_task(name="ledger.tasks.seal_books")
def seal_books() -> int:
    """Seal what was committed since the last time, in every book, and return the number of blocks made."""
    return sum(1 for _block in seal_all(may_wait=False))


@shared_task(name="ledger.tasks.expire_holds")
def expire_holds() -> int:
    """End the holds whose time is up and return how many."""
    return expire_due()


@shared_task(name="ledger.tasks.apply_limits")
def apply_limits() -> int:
    """Put in force the limits whose day has come and return how many; one that cannot be drawn waits."""
    return limits.apply_due()


@shared_task(name="ledger.tasks.relay_events")
def relay_events() -> int:
    """Give every registered consumer what was committed since, and return how many events passed.

    A consumer that fails, or that another relay is at, stops no other.
    """
    passed = 0
    for name, handler in registered().items():
        try:
            for _round in range(ROUNDS_MAX):
                done = consume(name, handler)
                passed += done.count
                if not done.count or done.error:
                    break
        except Exception:
            log.exception("ledger.relay.failed", extra={"consumer": name})
    return passed
