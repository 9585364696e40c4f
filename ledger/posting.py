"""The one way into the books.

A journal request names its entries by account key; accounts are opened the first time they are named.
:func:`post_batch` takes two round trips whatever the size: one that resolves the keys and one call of the
SQL function `ledger_post` (see `ledger/sql/post.sql` for its statements, lock order and what bounds it).
All entries of the batch are written under locks taken in account order, so concurrent batches queue and
never deadlock. A journal is acknowledged to nobody before the surrounding transaction has committed.

Idempotency: a key that is known with the same body answers with the journal it made (`is_replay`); with
another body it is refused with :class:`KeyReused`, naming what differs.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import Error, connection, transaction
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.decimals import InexactValue, decimal_places, exact
from ledger.core.errors import Conflict, Invalid, KeyReused, Refusal
from ledger.core.ids import uuid7

from .accounts import AccountKey, account_label, resolve
from .models import Asset, Book, Journal

JOURNALS_PER_BATCH_MAX: Final = 5_000
ENTRIES_PER_JOURNAL_MAX: Final = 500
ATTEMPTS_MAX: Final = 3
# The domain `atoms` ends here; no asset has more decimals than this.
ATOMS_DIGITS_MAX: Final = 38
SCALE_MAX: Final = 18
_TEXT_LENGTHS_MAX: Final = {"key": 200, "kind": 40, "cause": 120, "narrative": 200}


class InsufficientBalance(Refusal):
    """An entry would take a balance outside its bounds."""

    code = "insufficient_balance"


class AccountFrozen(Refusal):
    code = "account_frozen"


@dataclass(frozen=True, slots=True)
class Leg:
    """One entry to be: `quantity` in units of the asset, debit positive."""

    account: AccountKey
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class JournalRequest:
    """What to book: the kind of event, its legs and the key that makes it happen once."""

    key: str
    kind: str
    legs: tuple[Leg, ...]
    value_on: date
    cause: str = ""
    narrative: str = ""
    reversal_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    journal_id: UUID
    is_replay: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """One item of an independent batch that was not booked."""

    refusal: Refusal


def debit(account: AccountKey, quantity: Decimal) -> Leg:
    return Leg(account, quantity)


def credit(account: AccountKey, quantity: Decimal) -> Leg:
    return Leg(account, -quantity)


def post(book: Book, request: JournalRequest, *, actor: str) -> Posted:
    """Book one journal. See :func:`post_batch` for the errors."""
    return post_batch(book, [request], actor=actor)[0]


def post_batch(book: Book, requests: Sequence[JournalRequest], *, actor: str) -> list[Posted]:
    """Book a batch, all or none, and return one result per request in order.

    Raises :class:`Invalid` for a journal that is empty, too large, unbalanced or inexact at an asset's
    scale, :class:`InsufficientBalance` or :class:`AccountFrozen` naming the account, :class:`KeyReused` for a
    known key with another body. Serialisation failures and deadlocks are retried with the same keys when no
    transaction surrounds the call.
    """
    if not requests:
        return []
    if len(requests) > JOURNALS_PER_BATCH_MAX:
        raise Invalid(
            _("A batch holds at most %(most)s journals.") % {"most": JOURNALS_PER_BATCH_MAX},
            field="journals",
            code="batch_too_large",
        )
    attempts_left = 1 if connection.in_atomic_block else ATTEMPTS_MAX
    while True:
        try:
            with transaction.atomic():
                return _post(book, requests, actor=actor, booked_at=clock.now())
        except Error as error:
            attempts_left -= 1
            if attempts_left and _sqlstate(error) in {"40001", "40P01"}:
                time.sleep(0.01)
                continue
            refusal = _as_refusal(error, book, requests)
            if refusal is None:
                raise
            raise refusal from error


def post_independently(
    book: Book, requests: Sequence[JournalRequest], *, actor: str
) -> list[Posted | Refused]:
    """Book each journal on its own, in order; a refused one leaves no trace and stops no other."""
    try:
        return list(post_batch(book, requests, actor=actor))
    except Refusal:
        pass
    results: list[Posted | Refused] = []
    for request in requests:
        try:
            results.append(post(book, request, actor=actor))
        except Refusal as refusal:
            results.append(Refused(refusal))
    return results


def reverse(journal: Journal, *, key: str, actor: str, reason: str, value_on: date | None = None) -> Posted:
    """Book the exact opposite of `journal`, once; the two are linked both ways.

    Raises :class:`Conflict` (`already_reversed`) when another journal reversed it before.
    """
    if not reason.strip():
        raise Invalid(_("A reversal needs a reason."), field="reason", code="reason_required")
    entries = journal.entries.select_related("account__asset", "account__location").order_by("id")
    legs = tuple(
        Leg(AccountKey.of(entry.account), -entry.account.asset.units(entry.amount_atoms)) for entry in entries
    )
    request = JournalRequest(
        key=key,
        kind="reversal",
        legs=legs,
        value_on=value_on or clock.today(),
        cause=f"journal:{journal.pk}",
        narrative=reason,
        reversal_of=journal.pk,
    )
    return post(journal.book, request, actor=actor)


def _post(book: Book, requests: Sequence[JournalRequest], *, actor: str, booked_at: datetime) -> list[Posted]:
    merged = [_merge(request) for request in requests]
    accounts = resolve(book, {leg.account for legs in merged for leg in legs})
    positions: list[int] = []
    account_ids: list[int] = []
    amounts: list[Decimal] = []
    for position, legs in enumerate(merged, start=1):
        for leg in legs:
            account_id, asset = accounts[leg.account]
            positions.append(position)
            account_ids.append(account_id)
            amounts.append(Decimal(_atoms(asset, leg.quantity)))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT journal_id, is_replay FROM ledger_post(%s::bigint, %s::timestamptz, %s::text, %s::uuid[],"
            " %s::text[], %s::bytea[], %s::text[], %s::date[], %s::text[], %s::text[], %s::uuid[],"
            " %s::integer[], %s::bigint[], %s::numeric[]::atoms[])",
            [
                book.pk,
                booked_at,
                actor,
                [uuid7() for _request in requests],
                [request.key for request in requests],
                [body_hash(request, legs) for request, legs in zip(requests, merged, strict=True)],
                [request.kind for request in requests],
                [request.value_on for request in requests],
                [request.cause for request in requests],
                [request.narrative for request in requests],
                [request.reversal_of for request in requests],
                positions,
                account_ids,
                amounts,
            ],
        )
        return [Posted(journal_id, is_replay) for journal_id, is_replay in cursor.fetchall()]


def _merge(request: JournalRequest) -> list[Leg]:
    """Check the shape of a journal and merge legs on one account, dropping those that cancel out."""
    if not request.key:
        raise Invalid(_("A journal needs an idempotency key."), field="key", code="key_required")
    for name, length_max in _TEXT_LENGTHS_MAX.items():
        if len(getattr(request, name)) > length_max:
            raise Invalid(
                _("At most %(most)s characters.") % {"most": length_max}, field=name, code="too_long"
            )
    totals: dict[AccountKey, Decimal] = {}
    for leg in request.legs:
        totals[leg.account] = totals.get(leg.account, Decimal(0)) + _exact(leg.quantity)
    legs = [Leg(account, quantity) for account, quantity in totals.items() if quantity]
    if not 2 <= len(legs) <= ENTRIES_PER_JOURNAL_MAX:
        raise Invalid(
            _("A journal has between 2 and %(most)s entries that move something.")
            % {"most": ENTRIES_PER_JOURNAL_MAX},
            field="legs",
            code="journal_size",
        )
    return legs


def _exact(quantity: Decimal) -> Decimal:
    """Refuse what no asset can hold, so that sums of what is left are exact in the decimal context."""
    try:
        number = exact(quantity)
    except InexactValue as error:
        raise Invalid(str(error), field="quantity", code="inexact") from error
    if number.adjusted() >= ATOMS_DIGITS_MAX or decimal_places(number) > SCALE_MAX:
        raise Invalid(
            _("%(quantity)s is outside what the books can hold.") % {"quantity": number},
            field="quantity",
            code="inexact",
        )
    return number


def _atoms(asset: Asset, quantity: Decimal) -> int:
    try:
        return asset.atoms(quantity)
    except InexactValue as error:
        raise Invalid(f"{asset.code}: {error}", field="quantity", code="inexact", asset=asset.code) from error


def _body(request: JournalRequest, legs: Iterable[Leg]) -> dict[str, object]:
    return {
        "kind": request.kind,
        "value_on": request.value_on.isoformat(),
        "cause": request.cause,
        "reversal_of": str(request.reversal_of or ""),
        "legs": sorted([*leg.account.parts(), format(leg.quantity.normalize(), "f")] for leg in legs),
    }


def body_hash(request: JournalRequest, legs: Iterable[Leg]) -> bytes:
    return hashlib.sha256(json.dumps(_body(request, legs), separators=(",", ":")).encode()).digest()


def _sqlstate(error: Error) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""


def _diagnostic(error: Error, name: str) -> str:
    return getattr(getattr(error.__cause__, "diag", None), name, None) or ""


def _as_refusal(error: Error, book: Book, requests: Iterable[JournalRequest]) -> Refusal | None:
    """Turn what the law refused into words that name the account and the rule; None for any other error."""
    state = _sqlstate(error)
    message = _diagnostic(error, "message_primary")
    details = json.loads(_diagnostic(error, "message_detail") or "{}") if state.startswith("LB") else {}
    if state == "LB001":
        return Invalid(message, field="legs", code="unbalanced")
    if state == "LB002":
        key = AccountKey(*(details.pop(name) for name in ("role", "asset", "owner", "location")))
        return InsufficientBalance(
            _("%(account)s does not hold enough.") % {"account": key.label()}, field="quantity", **details
        )
    if state == "LB004":
        return AccountFrozen(_("%(account)s is frozen.") % {"account": account_label(details["account"])})
    if state == "LB005":
        return _key_reused(book, details["key"], requests)
    if _diagnostic(error, "constraint_name") == "atoms_are_whole":
        return Invalid(
            _("A quantity or balance is outside what the books can hold."), field="quantity", code="inexact"
        )
    if _diagnostic(error, "constraint_name") == "ledger_journal_reversal_of_id_key":
        return Conflict(_("This journal was already reversed."), code="already_reversed")
    return None


def _key_reused(book: Book, key: str, requests: Iterable[JournalRequest]) -> KeyReused:
    """Name what differs: from the journal the key made, or between two requests of the refused batch."""
    bodies = [_body(request, _merge(request)) for request in requests if request.key == key]
    known = Journal.objects.filter(book=book, idempotency_key=key).first()
    if known:
        bodies.insert(0, _recorded_body(known))
    differing = sorted({name for body in bodies for name in body if body[name] != bodies[0][name]})
    return KeyReused(
        _("The key %(key)s was used before with another body; these differ: %(fields)s.")
        % {"key": key, "fields": ", ".join(differing)},
        field="key",
        differing=differing,
        **({"journal": str(known.pk)} if known else {}),
    )


def _recorded_body(journal: Journal) -> dict[str, object]:
    """The body of the request that made `journal`, told from what stands in the books."""
    entries = journal.entries.select_related("account__asset", "account__location")
    legs = tuple(Leg(AccountKey.of(e.account), e.account.asset.units(e.amount_atoms)) for e in entries)
    request = JournalRequest(
        key=journal.idempotency_key,
        kind=journal.kind,
        legs=legs,
        value_on=journal.value_on,
        cause=journal.cause,
        reversal_of=journal.reversal_of_id,
    )
    return _body(request, legs)
