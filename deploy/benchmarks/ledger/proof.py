"""What the books must show after a run, however fast it was."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from deploy.benchmarks.ledger import books
from ledger import audit
from ledger.balances import holding, standings
from ledger.core.decimals import ZERO
from ledger.models import Journal

_FINDINGS_SHOWN_MAX: Final = 10


def faults(accounts: int, acknowledged: int, house_cents: int) -> Iterator[str]:
    """Yield what is wrong with the connected database: nothing, unless the ledger is.

    `acknowledged` journals were posted by clients after the accounts were funded, and debited the bank with
    `house_cents` in all.
    """
    book = books.book()
    journals = Journal.objects.filter(book=book).count()
    if journals != accounts + acknowledged:
        yield f"{accounts + acknowledged} journals were acknowledged and {journals} are in the books"
    put_in = Decimal(accounts * books.FUNDED_CENTS + house_cents).scaleb(-2)
    at_the_bank = holding(book, books.BANK)
    of_clients = sum((each.quantity for each in standings(book, roles={"client_cash"})), ZERO)
    if not put_in == at_the_bank == of_clients:
        yield f"{put_in} was put in, {at_the_bank} is at the bank and {of_clients} is the clients'"
    findings = audit.run().findings
    for finding in findings[:_FINDINGS_SHOWN_MAX]:
        yield f"{finding.check}: {finding.subject}: {finding.message}"
    if len(findings) > _FINDINGS_SHOWN_MAX:
        yield f"and {len(findings) - _FINDINGS_SHOWN_MAX} more findings of the audit"
