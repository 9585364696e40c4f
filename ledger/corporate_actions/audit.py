"""The proof of corporate actions: what was written down follows the terms, and the journals what was written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from ledger.accounts import AccountKey
from ledger.audit import Finding, register
from ledger.models import CorporateAction, Entitlement, Entry, Journal, Role
from ledger.posting import JournalRequest

from .entitlements import entitlements_of
from .holdings import Held
from .splits import splits_before_payment
from .templates import booking, cause_of, payment

ROWS_PER_QUERY: Final = 1_000
TERMS: Final = "ledger.entitlements_follow_the_terms"
JOURNALS: Final = "ledger.entitlements_are_booked"
FIGURES: Final = ("holding_atoms", "entitled_atoms", "change_atoms", "fraction", "cash_atoms")


def register_checks() -> None:
    """Add the checks of this folder to the audit."""
    register(TERMS, _entitlements_follow_the_terms)
    register(JOURNALS, _entitlements_are_booked)


def _applied() -> Iterator[tuple[CorporateAction, list[Entitlement]]]:
    actions = CorporateAction.objects.exclude(stage=CorporateAction.Stage.WAITING)
    for action in actions.select_related("asset", "other_asset", "currency", "location").order_by("pk"):
        rows = action.entitlements.select_related("account__asset", "account__book", "account__location")
        yield action, list(rows.order_by("account_id"))


def _entitlements_follow_the_terms() -> Iterator[Finding]:
    """Every row again from what the accounts held, and Σ before x ratio = Σ after + what is left, per place."""
    for action, rows in _applied():
        held = [Held(row.account, row.holding_atoms) for row in rows if row.account.role != Role.CUSTODY]
        expected = {row.account_id: row for row in entitlements_of(action, held)}
        for row in rows:
            due = expected.pop(row.account_id, None)
            if due is None:
                yield _finding(TERMS, row, "no account of its place holds anything")
            for name in FIGURES if due else ():
                if getattr(row, name) != getattr(due, name):
                    yield _finding(
                        TERMS, row, f"{name} is {getattr(row, name)}, the terms give {getattr(due, name)}"
                    )
        for account_id in expected:
            yield Finding(
                TERMS, f"account {account_id}", f"{cause_of(action)} gives it something and no row says so"
            )


def _entitlements_are_booked() -> Iterator[Finding]:
    for action, rows in _applied():
        recorded: set[UUID] = set()
        for start in range(0, len(rows), ROWS_PER_QUERY):
            chunk = rows[start : start + ROWS_PER_QUERY]
            yield from _unlike_their_templates(action, chunk)
            recorded |= {id_ for row in chunk for id_ in (row.journal_id, row.payment_id) if id_}
        strangers = Journal.objects.filter(cause=cause_of(action)).exclude(pk__in=recorded)
        for journal_id in strangers.values_list("pk", flat=True):
            yield Finding(JOURNALS, f"journal {journal_id}", f"no entitlement of {cause_of(action)} made it")


def _unlike_their_templates(action: CorporateAction, rows: Sequence[Entitlement]) -> Iterator[Finding]:
    splits = splits_before_payment(action)
    expected: list[tuple[Entitlement, UUID | None, JournalRequest | None]] = []
    for row in rows:
        is_booked = row.status != Entitlement.Status.PENDING
        is_paid = row.status == Entitlement.Status.PAID
        expected.append((row, row.journal_id, booking(action, row) if is_booked else None))
        expected.append((row, row.payment_id, payment(action, row, splits) if is_paid else None))
    ids = [journal_id for _row, journal_id, _request in expected if journal_id]
    journals = Journal.objects.in_bulk(ids)
    moved = _moved(ids)
    for row, journal_id, request in expected:
        journal = journals.get(journal_id) if journal_id else None
        if (journal is None) != (request is None):
            yield _finding(JOURNALS, row, f"journal {journal_id} is not what its status says")
        elif journal is not None and request is not None:
            told = (journal.idempotency_key, journal.kind, journal.value_on, moved[journal.pk])
            if told != (request.key, request.kind, request.value_on, _movement(request)):
                yield _finding(JOURNALS, row, f"journal {journal_id} is not the one its terms make")


def _movement(request: JournalRequest) -> dict[AccountKey, Decimal]:
    total: dict[AccountKey, Decimal] = defaultdict(Decimal)
    for leg in request.legs:
        total[leg.account._replace(slot=None)] += leg.quantity
    return {account: quantity for account, quantity in total.items() if quantity}


def _moved(journal_ids: Sequence[UUID]) -> dict[UUID, dict[AccountKey, Decimal]]:
    """What journals moved, in units, debit positive, whichever slot of a house account took it."""
    moved: dict[UUID, dict[AccountKey, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    entries = Entry.objects.filter(journal_id__in=journal_ids)
    for entry in entries.select_related("account__asset", "account__location"):
        quantity = entry.account.asset.units(entry.amount_atoms)
        moved[entry.journal_id][AccountKey.of(entry.account)] += quantity
    return moved


def _finding(check: str, row: Entitlement, message: str) -> Finding:
    return Finding(check, f"entitlement {row.pk}", f"of account {row.account_id}: {message}")
