"""The steps of an action account by account: what is pending is booked, what is booked is paid, a batch at a time.

A row that the law refuses waits by itself, with the code of the refusal, and is tried again under the same key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from ledger.core.errors import Conflict, Refusal
from ledger.core.events import record_event
from ledger.models import Balance, Book, CorporateAction, Entitlement, Role
from ledger.posting import JournalRequest, Posted, Refused, post_batch, post_each

from . import templates
from .proposals import TOPIC
from .splits import splits_before_payment

ROWS_PER_BATCH: Final = 1_000
Status = Entitlement.Status
Result = Posted | Refused | None


def fresh(action_id: int, *, lock: bool = False) -> CorporateAction:
    """Read an action with what its terms name."""
    rows = CorporateAction.objects.select_related("asset", "other_asset", "currency", "location")
    if lock:
        rows = rows.select_for_update(of=("self",), no_key=True)
    return rows.get(pk=action_id)


def work(action_id: int, status: str, *, actor: str) -> None:
    """Book what is pending, or pay what is booked, a batch of one book at a time, each its own commit."""
    books = Book.objects.filter(account__entitlement__action=action_id).distinct().order_by("pk")
    for book in books:
        after: int | None = 0
        while after is not None:
            after = _batch(action_id, book, status, after, actor)


@transaction.atomic
def _batch(action_id: int, book: Book, status: str, after: int, actor: str) -> int | None:
    """Take the next rows in account order; returns the last account, None when there were no more."""
    action = fresh(action_id, lock=True)
    rows = list(
        action.entitlements.filter(status=status, account__book=book, account_id__gt=after)
        .select_related("account__asset", "account__book", "account__location")
        .order_by("account_id")[:ROWS_PER_BATCH]
    )
    results: dict[int, Result] = {}
    if status == Status.PENDING:
        results |= _bound_by_holds(action, rows)
    requests = _requests(action, [row for row in rows if row.pk not in results], status)
    wanted = {pk: request for pk, request in requests.items() if request is not None}
    results |= zip(wanted, _post(book, list(wanted.values()), actor=actor), strict=True)
    for row in rows:
        _take_in(row, results.get(row.pk), status, action, actor)
    _write(rows)
    return rows[-1].account_id if rows else None


def _post(book: Book, requests: Sequence[JournalRequest], *, actor: str) -> Sequence[Posted | Refused]:
    """Post all at once, which opens new accounts together; where the law refuses any, each on its own."""
    try:
        return post_batch(book, requests, actor=actor)
    except Refusal:
        # What is refused now is tried again under the same key.
        return post_each(book, requests, actor=actor, keeps_refusals=False)


def _write(rows: Sequence[Entitlement]) -> None:
    """Keep how far rows have come, in one statement of a fixed size."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE ledger_entitlement e
               SET status = r.status, held_up_by = r.held_up_by, journal_id = r.journal, payment_id = r.payment
              FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::uuid[], %s::uuid[])
                   AS r(id, status, held_up_by, journal, payment)
             WHERE e.id = r.id
            """,
            [
                [row.pk for row in rows],
                [row.status for row in rows],
                [row.held_up_by for row in rows],
                [row.journal_id for row in rows],
                [row.payment_id for row in rows],
            ],
        )


def _requests(
    action: CorporateAction, rows: Sequence[Entitlement], status: str
) -> Mapping[int, JournalRequest | None]:
    if status == Status.PENDING:
        return {row.pk: templates.booking(action, row) for row in rows}
    splits = splits_before_payment(action)
    return {row.pk: templates.payment(action, row, splits) for row in rows}


def _bound_by_holds(action: CorporateAction, rows: Sequence[Entitlement]) -> Iterator[tuple[int, Result]]:
    """A hold is of so many old shares: until it has ended, its accounts are not split."""
    if action.kind != CorporateAction.Kind.SPLIT:
        return
    bound = Balance.objects.filter(
        Q(held_debit_atoms__gt=0) | Q(held_credit_atoms__gt=0), account__in=[row.account_id for row in rows]
    )
    account_ids = set(bound.values_list("account_id", flat=True))
    for row in rows:
        if row.account_id in account_ids and row.account.role != Role.CUSTODY:
            refusal = Conflict(_("A hold on this account is open."), code="open_hold")
            yield row.pk, Refused(refusal)


def _take_in(row: Entitlement, result: Result, status: str, action: CorporateAction, actor: str) -> None:
    if isinstance(result, Refused):
        if row.held_up_by != result.refusal.reason:
            row.held_up_by = result.refusal.reason
            record_event(
                f"{TOPIC}.held_up",
                action,
                actor=actor,
                broker_code=row.account.book.code,
                account=row.account_id,
                code=result.refusal.reason,
            )
        return
    journal_id = result.journal_id if result else None
    row.held_up_by = ""
    if status == Status.PENDING:
        row.status, row.journal_id = Status.BOOKED, journal_id
    else:
        row.status, row.payment_id = Status.PAID, journal_id
