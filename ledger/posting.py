"""The one way into the books.

A journal request names its entries by account key; accounts are opened the first time they are named. Whatever the
size of a batch, :func:`post_batch` takes one round trip once the accounts are known to the process: one call of the
SQL function `ledger_post` (see `ledger/sql/post.sql` for its statements, its lock order and what bounds it). Outside a
transaction that call is its own commit, so a single journal costs one round trip in all.

All entries of a batch are written under locks taken in account order, so concurrent batches queue and never deadlock.
A journal is acknowledged to nobody before the transaction that wrote it has committed.

Two modes: all or none (:func:`post_batch`), and each on its own with a result per item in order (:func:`post_each`).
Many callers at once in one process share commits by :class:`ledger.coalescing.Coalescer`, which uses the second.

Idempotency: a key that is known with the same body answers with the journal it made (`is_replay`); with another body it
is refused with :class:`KeyReused`, naming what differs. :func:`post_each` keeps refusals under their keys too, so a retry
after a lost reply gets the first answer. :func:`post_batch` leaves no trace of what it refused: its callers are commands
that remember their own reply, and jobs that must be able to try again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from typing import Final, TypeVar
from uuid import UUID

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.errors import Conflict, Invalid, KeyReused, Refusal

from . import calls
from .accounts import Found, known_accounts, resolve
from .batch import Batch
from .models import Book, Journal
from .refusals import (
    AccountClosed,
    AccountFrozen,
    Fault,
    HoldNotOpen,
    InsufficientBalance,
    MonthMissing,
    PeriodClosed,
    refusal_of,
)
from .requests import (
    ENTRIES_PER_JOURNAL_MAX,
    JOURNALS_PER_BATCH_MAX,
    AccountKey,
    JournalRequest,
    Leg,
    Posted,
    Refused,
    body,
    check_size,
    credit,
    debit,
    merge,
)

__all__ = [
    "ENTRIES_PER_JOURNAL_MAX",
    "JOURNALS_PER_BATCH_MAX",
    "AccountClosed",
    "AccountFrozen",
    "HoldNotOpen",
    "InsufficientBalance",
    "JournalRequest",
    "Leg",
    "PeriodClosed",
    "Posted",
    "Refused",
    "credit",
    "debit",
    "post",
    "post_batch",
    "post_each",
    "remaining",
    "reverse",
]

ATTEMPTS_MAX: Final = 3
Result = TypeVar("Result")


def post(book: Book, request: JournalRequest, *, actor: str) -> Posted:
    """Book one journal. See :func:`post_batch` for the errors."""
    return post_batch(book, [request], actor=actor)[0]


def post_batch(book: Book, requests: Sequence[JournalRequest], *, actor: str) -> list[Posted]:
    """Book a batch, all or none, and return one result per request in order.

    Raises :class:`Invalid` for a journal that is empty, too large, unbalanced or inexact at an asset's
    scale, :class:`InsufficientBalance`, :class:`AccountFrozen` or :class:`AccountClosed` naming the account,
    :class:`PeriodClosed` for its value date, :class:`KeyReused` for a known key with another body. Serialisation
    failures and deadlocks are retried with the same keys when no transaction surrounds the call.
    """
    if not requests:
        return []
    check_size(len(requests))
    return _attempt(lambda link: _post_whole(link, book, requests, actor), requests, book)


def post_each(
    book: Book, requests: Sequence[JournalRequest], *, actor: str, keeps_refusals: bool = True
) -> list[Posted | Refused]:
    """Book each journal on its own, in order, in one commit; a refused one stops no other.

    The outcome is that of posting one after another. A refused journal leaves no trace but its refusal, kept under its
    key; without `keeps_refusals`, for jobs that try again, not even that. Raises only what is no refusal, and
    :class:`Invalid` for a batch that is too large.
    """
    return post_each_for(book, requests, [actor] * len(requests), keeps_refusals=keeps_refusals)


def post_each_for(
    book: Book, requests: Sequence[JournalRequest], actors: Sequence[str], *, keeps_refusals: bool = True
) -> list[Posted | Refused]:
    """Do what :func:`post_each` does for requests of several actors, one for each."""
    if not requests:
        return []
    check_size(len(requests))
    return _attempt(
        lambda link: _post_each(_Outcome(link, book, requests, actors, keeps_refusals)), requests, book
    )


def _attempt(
    attempt: Callable[[BaseDatabaseWrapper], Result], requests: Sequence[JournalRequest], book: Book
) -> Result:
    link = connections[DEFAULT_DB_ALIAS]
    attempts_left = 1 if link.in_atomic_block else ATTEMPTS_MAX
    while True:
        try:
            with link.wrap_database_errors:
                return attempt(link)
        except Exception as error:
            cause = error if isinstance(error, psycopg.Error) else error.__cause__
            if not isinstance(cause, psycopg.Error):
                raise
            fault = Fault.of(cause)
            attempts_left -= 1
            if attempts_left and fault.is_transient:
                time.sleep(0.01)
                continue
            refusal = _key_reused(book, fault, requests) if fault.state == "LB005" else refusal_of(fault)
            if fault.is_month_missing:
                raise MonthMissing from error
            if refusal is None:
                raise
            raise refusal from error


def _post_whole(
    link: BaseDatabaseWrapper, book: Book, requests: Sequence[JournalRequest], actor: str
) -> list[Posted]:
    keys: set[AccountKey] = set()
    accounts: Mapping[AccountKey, Found] = known_accounts(book)
    try:
        batch = Batch(accounts, requests, actor)
    except KeyError:
        keys = {leg.account for request in requests for leg in request.legs}
        accounts = resolve(book, keys, may_open=False)
    if len(accounts) < len(keys):
        with transaction.atomic():
            batch = Batch(resolve(book, keys), requests, actor)
            return _told(batch, calls.post(link, book, batch))
    if keys:
        batch = Batch(accounts, requests, actor)
    # Within a transaction, a savepoint lets the caller go on after a refusal.
    with transaction.atomic() if link.in_atomic_block else nullcontext():
        return _told(batch, calls.post(link, book, batch))


def _told(batch: Batch, known: Mapping[int, UUID]) -> list[Posted]:
    return [
        Posted(known[number], True) if number in known else Posted(journal_id, False)
        for number, journal_id in enumerate(batch.ids, start=1)
    ]


def _post_each(outcome: _Outcome) -> list[Posted | Refused]:
    requests = outcome.requests
    accounts = known_accounts(outcome.book)
    are_known = all(leg.account in accounts for request in requests for leg in request.legs)
    if not are_known:
        keys = {leg.account for request in requests for leg in request.legs}
        accounts = resolve(outcome.book, keys, may_open=False)
        are_known = len(accounts) == len(keys)
    if are_known and not outcome.link.in_atomic_block:
        # One call is its own commit.
        _post_in_runs(outcome, accounts)
    else:
        with transaction.atomic():
            _post_in_runs(outcome, accounts)
    return [outcome.results[position] for position in range(len(requests))]


def _post_in_runs(outcome: _Outcome, accounts: Mapping[AccountKey, Found]) -> None:
    batch = Batch(accounts)
    run: list[int] = []
    for position, request in enumerate(outcome.requests):
        try:
            batch.add(request, outcome.actors[position])
            run.append(position)
        except Refusal as refusal:
            outcome.results[position] = Refused(refusal)
        except KeyError:
            outcome.of_run(batch, run)
            outcome.of_newcomer(position)
            batch, run = Batch(accounts), []
    outcome.of_run(batch, run)


class _Outcome:
    """The results of an independent batch, as its runs come back."""

    def __init__(
        self,
        link: BaseDatabaseWrapper,
        book: Book,
        requests: Sequence[JournalRequest],
        actors: Sequence[str],
        keeps_refusals: bool,
    ) -> None:
        self.link = link
        self.book = book
        self.requests = requests
        self.actors = actors
        self.keeps_refusals = keeps_refusals
        self.results: dict[int, Posted | Refused] = {}

    def of_run(self, batch: Batch, run: Sequence[int]) -> None:
        """Post a batch of which all accounts exist; its items stand at the positions of `run`."""
        if not run:
            return
        told = calls.post_each(self.link, self.book, batch, keeps_refusals=self.keeps_refusals)
        for number, position in enumerate(run, start=1):
            self._take_in(position, batch.ids[number - 1], told.get(number))

    def of_newcomer(self, position: int) -> None:
        """Post one request that opens an account, by itself: a refusal undoes the opening too."""
        request = self.requests[position]
        try:
            # A savepoint by hand would let what the undone transaction opened be remembered.
            with transaction.atomic():
                accounts = resolve(self.book, {leg.account for leg in request.legs})
                batch = Batch(accounts, [request], self.actors[position])
                told = calls.post_each(self.link, self.book, batch, keeps_refusals=self.keeps_refusals).get(1)
                why = told and told[2]
                transaction.set_rollback(why is not None)
        except Refusal as refusal:
            self.results[position] = Refused(refusal)
            return
        self._take_in(position, batch.ids[0], told)
        if why is not None and self.keeps_refusals:
            calls.keep_refusal(self.book, request.key, batch.hashes[0], why)

    def _take_in(self, position: int, made: UUID, told: tuple[UUID | None, bool, str | None] | None) -> None:
        known, is_known, why = told or (None, False, None)
        if why is None:
            self.results[position] = Posted(known or made, is_known)
        else:
            self.results[position] = Refused(self._in_words(why, self.requests[position]), is_known)

    def _in_words(self, why: str, request: JournalRequest) -> Refusal:
        fault = Fault.kept(why)
        found = _key_reused(self.book, fault, [request]) if fault.state == "LB005" else refusal_of(fault)
        if found is None:
            raise TypeError(f"a refusal nobody can read: {fault}")
        return found


def reverse(
    journal: Journal,
    *,
    key: str,
    actor: str,
    reason: str,
    value_on: date | None = None,
    part: Sequence[Leg] | None = None,
) -> Posted:
    """Book the opposite of `journal`: all that is left of it, or `part` of it.

    `part` names what to take back as it was booked: legs of the journal, each with at most its quantity. The journal
    and what reversed it are linked both ways. Raises :class:`Conflict` (`already_reversed`) when more would be taken
    back in all than was booked, and (`not_opposite`) for a part that was never booked.
    """
    if not reason.strip():
        raise Invalid(_("A reversal needs a reason."), field="reason", code="reason_required")
    legs = remaining(journal) if part is None else _opposite(journal, part)
    # Looked for last: whoever sent the same reversal a moment ago may have left nothing to take back.
    known = Journal.objects.made_by(key, book=journal.book_id).filter(reversal_of=journal).first()
    if known is not None and part is None:
        legs = _legs_of(known)
    if not legs:
        raise Conflict(
            _("This journal was already reversed."), code="already_reversed", journal=str(journal.pk)
        )
    request = JournalRequest(
        key=key,
        kind="reversal",
        legs=tuple(legs),
        value_on=value_on or clock.today(),
        cause=f"journal:{journal.pk}",
        narrative=reason,
        reversal_of=journal.pk,
    )
    return post(journal.book, request, actor=actor)


def remaining(journal: Journal) -> list[Leg]:
    """Return the legs that would take back what is left of `journal` after its reversals so far."""
    left: dict[AccountKey, Decimal] = {}
    for booked in (journal, *journal.reversals.all()):
        for leg in _legs_of(booked):
            left[leg.account] = left.get(leg.account, Decimal(0)) + leg.quantity
    return [Leg(account, -quantity) for account, quantity in left.items() if quantity]


def _legs_of(journal: Journal) -> list[Leg]:
    entries = journal.entries.select_related("account__asset", "account__location").order_by("position")
    return [Leg(AccountKey.exactly(e.account), e.account.asset.units(e.amount_atoms)) for e in entries]


def _opposite(journal: Journal, part: Sequence[Leg]) -> list[Leg]:
    """Turn a part round, on the very accounts of the journal: a slot is not the caller's to choose."""
    booked = {leg.account._replace(slot=None): leg.account for leg in _legs_of(journal)}
    return [Leg(booked.get(leg.account, leg.account), -leg.quantity) for leg in part]


def _key_reused(book: Book, fault: Fault, requests: Iterable[JournalRequest]) -> KeyReused:
    """Name what differs: from the journal the key made, or between two requests of the refused batch."""
    key = fault.details()["key"]
    bodies = [body(request, merge(request)) for request in requests if request.key == key]
    known = Journal.objects.made_by(key, book=book).first()
    if known:
        bodies.insert(0, _recorded_body(known))
    names = {name for told in bodies for name in told}
    differing = sorted(name for name in names if any(t.get(name) != bodies[0].get(name) for t in bodies))
    words = _("The key %(key)s was used before with another body; these differ: %(fields)s.")
    if not differing:
        # Of a wish that was refused only the hash of its body is known.
        words = _("The key %(key)s was used before with another body.")
    return KeyReused(
        words % {"key": key, "fields": ", ".join(differing)},
        field="key",
        differing=differing,
        **({"journal": str(known.pk)} if known else {}),
    )


def _recorded_body(journal: Journal) -> dict[str, object]:
    """The body of the request that made `journal`, told from what stands in the books."""
    legs = tuple(_legs_of(journal))
    request = JournalRequest(
        key=journal.idempotency_key,
        kind=journal.kind,
        legs=legs,
        value_on=journal.value_on,
        cause=journal.cause,
        reversal_of=journal.reversal_of_id,
        hold=journal.hold_id,
    )
    return body(request, legs)
