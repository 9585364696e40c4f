"""The clock's way into the ledger."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

from celery import shared_task
from django.db import transaction

from ledger.core.events import SYSTEM, record_event

from . import audit

FINDINGS_LOGGED_MAX: Final = 100

log = logging.getLogger(__name__)


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
