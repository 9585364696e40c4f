"""Placing holds: one insert per group, once per key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from ledger.accounts import resolve
from ledger.batch import atoms_of
from ledger.core import clock
from ledger.core.decimals import plain
from ledger.core.errors import Invalid, KeyReused
from ledger.core.events import record_event
from ledger.core.ids import uuid7s
from ledger.models import Account, Book, Hold
from ledger.refusals import law_in_words
from ledger.requests import AccountKey

from .wishes import HoldRequest, body, body_hash, check_wish, recorded_body

KEY_RULE: Final = "ledger_hold_key_once"


@dataclass(frozen=True, slots=True)
class Placed:
    """A group of holds as it stands, in order; `is_replay` says that an earlier call placed it."""

    group_id: UUID
    holds: tuple[Hold, ...]
    is_replay: bool


def place(
    book: Book,
    requests: Sequence[HoldRequest],
    *,
    key: str,
    actor: str,
    expires_at: datetime | None = None,
    opens_accounts: bool = True,
) -> Placed:
    """Hold all that is asked for, or nothing, and return the holds in order.

    Quantities are in units, exact at the asset's scale. The same key with the same body answers with the first group,
    with another body :class:`KeyReused` names what differs. Raises :class:`Invalid` for a group of no allowed size,
    quantities that are not positive and exact, accounts that are not two of one asset, place and book, and an end that
    is past; without `opens_accounts`, for what people spell, also for an account that is not in the books. Raises
    :class:`InsufficientBalance`, :class:`AccountFrozen` or :class:`AccountClosed` naming the account.
    """
    check_wish(requests, key)
    if expires_at is not None and expires_at.tzinfo is None:
        raise Invalid(_("Give a moment with its time zone."), field="expires_at", code="no_time_zone")
    wish = body(requests, expires_at)
    if known := _known(book, key):
        return _replay(known, wish, key)
    now = clock.now()
    if expires_at is not None and expires_at <= now:
        raise Invalid(_("This moment is past."), field="expires_at", code="past")
    if not opens_accounts:
        _refuse_unknown_accounts(book, requests)
    try:
        with law_in_words():
            holds = _insert(
                book, requests, key=key, digest=body_hash(wish), ends=(now, expires_at), actor=actor
            )
            _record(book, holds, actor)
    except IntegrityError as error:
        if KEY_RULE not in str(error):
            raise
        return _replay(_known(book, key), wish, key)
    return Placed(holds[0].group_id, tuple(holds), is_replay=False)


def with_accounts(holds: QuerySet[Hold]) -> QuerySet[Hold]:
    """Read along what is needed to name the accounts of `holds` and to count in units."""
    return holds.select_related(
        "book",
        "debit_account__asset",
        "debit_account__location",
        "credit_account__asset",
        "credit_account__location",
    )


def _known(book: Book, key: str) -> list[Hold]:
    return list(with_accounts(Hold.objects.filter(book=book, idempotency_key=key)).order_by("position"))


def _replay(known: list[Hold], wish: dict[str, object], key: str) -> Placed:
    if bytes(known[0].body_hash) != body_hash(wish):
        before = recorded_body(known)
        differing = sorted(name for name in wish if before[name] != wish[name])
        raise KeyReused(
            _("The key %(key)s was used before with another body; these differ: %(fields)s.")
            % {"key": key, "fields": ", ".join(differing)},
            field="key",
            differing=differing,
            group=str(known[0].group_id),
        )
    return Placed(known[0].group_id, tuple(known), is_replay=True)


def _refuse_unknown_accounts(book: Book, requests: Sequence[HoldRequest]) -> None:
    """Whichever slot a house account lies in, its key is known."""
    keys = {account for request in requests for account in (request.debit, request.credit)}
    accounts = Account.objects.filter(
        book=book,
        owner__in={key.owner for key in keys},
        role__in={key.role for key in keys},
        asset__code__in={key.asset for key in keys},
    ).select_related("asset", "location")
    known = {AccountKey.of(account) for account in accounts}
    for key in sorted(keys - known):
        raise Invalid(
            _("There is no account %(account)s.") % {"account": key.label()},
            field="holds",
            code="unknown_account",
        )


def _insert(
    book: Book,
    requests: Sequence[HoldRequest],
    *,
    key: str,
    digest: bytes,
    ends: tuple[datetime, datetime | None],
    actor: str,
) -> list[Hold]:
    accounts = resolve(book, {account for request in requests for account in (request.debit, request.credit)})
    ids = uuid7s(len(requests))
    placed_at, expires_at = ends
    Hold.objects.bulk_create(
        Hold(
            id=ids[n],
            book=book,
            group_id=ids[0],
            position=n + 1,
            idempotency_key=key,
            body_hash=digest,
            debit_account_id=accounts[request.debit].id,
            credit_account_id=accounts[request.credit].id,
            amount_atoms=atoms_of(request.quantity, accounts[request.debit]),
            posted_atoms=0,
            placed_at=placed_at,
            expires_at=expires_at,
            actor=actor,
            reason=request.reason,
        )
        for n, request in enumerate(requests)
    )
    return list(with_accounts(Hold.objects.filter(group_id=ids[0])).order_by("position"))


def _record(book: Book, holds: Sequence[Hold], actor: str) -> None:
    for hold in holds:
        record_event(
            "ledger.hold.placed",
            hold,
            actor=actor,
            reason=hold.reason,
            broker_code=book.code,
            group=str(hold.group_id),
            debit_account=hold.debit_account_id,
            credit_account=hold.credit_account_id,
            asset=hold.debit_account.asset.code,
            quantity=plain(hold.debit_account.asset.units(hold.amount_atoms)),
            expires_at=hold.expires_at.isoformat() if hold.expires_at else None,
        )
