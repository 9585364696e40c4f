"""What becomes of a hold: it is posted whole or in parts, released, or it expires.

Whoever ends a group locks all of it first, in order of id, so of two at once one wins and the other is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.decimals import InexactValue, from_atoms, plain, to_atoms
from ledger.core.errors import Conflict, Invalid, KeyReused, NotFound
from ledger.core.events import SYSTEM, record_event
from ledger.core.models import Event
from ledger.models import Book, Hold, Journal, PostingKey
from ledger.posting import JournalRequest, credit, debit, post_batch
from ledger.refusals import HoldNotOpen, law_in_words
from ledger.requests import AccountKey

from .placing import with_accounts
from .wishes import positive

POSTED: Final = "ledger.hold.posted"
HOLDS_PER_SWEEP_MAX: Final = 500
ACTIVE: Final = Hold.State.ACTIVE


@dataclass(frozen=True, slots=True)
class HoldPosted:
    """The journals that posted a group, in its order, and the group as it stands."""

    journal_ids: tuple[UUID, ...]
    holds: tuple[Hold, ...]
    is_replay: bool


@dataclass(frozen=True, slots=True)
class _Words:
    """What a caller says about the journals that post a hold; empty is what the hold itself says."""

    key: str
    actor: str
    then_release: bool
    value_on: date | None
    kind: str
    cause: str
    narrative: str


def post_hold(
    hold: Hold,
    *,
    key: str,
    actor: str,
    quantity: Decimal | None = None,
    then_release: bool = False,
    value_on: date | None = None,
    kind: str = "hold_posting",
    cause: str = "",
    narrative: str = "",
) -> HoldPosted:
    """Book `quantity` units of a hold placed alone, all that is left without one, and release the rest if told to.

    The same key with the same body answers with the first journal; with another body :class:`KeyReused` names what
    differs. Raises :class:`HoldNotOpen` for a hold that ended or expired, or has less left; :class:`Conflict`
    (`in_group`) for one of several that were placed together; and what :func:`ledger.posting.post` raises.
    """
    _refuse_in_group(hold)
    asked = None if quantity is None else {hold.pk: quantity}
    words = _Words(key, actor, then_release, value_on, kind, cause, narrative)
    return _post(hold.book, hold.group_id, asked, words)


def post_group(
    book: Book,
    group_id: UUID,
    *,
    key: str,
    actor: str,
    quantities: Mapping[UUID, Decimal] | None = None,
    then_release: bool = False,
    value_on: date | None = None,
    kind: str = "hold_posting",
    cause: str = "",
    narrative: str = "",
) -> HoldPosted:
    """Book what is left of every hold of a group, or of each the units that `quantities` says, all or none.

    Raises what :func:`post_hold` raises, :class:`NotFound` for a group that is not in the book, and :class:`Invalid`
    (`group_whole`) when `quantities` names some of the active holds and not the others.
    """
    asked = None if quantities is None else dict(quantities)
    return _post(book, group_id, asked, _Words(key, actor, then_release, value_on, kind, cause, narrative))


def release(hold: Hold, *, actor: str, reason: str) -> Hold:
    """Let go what is left of a hold placed alone and return it as it stands.

    Raises :class:`HoldNotOpen` when it ended before, and :class:`Conflict` (`in_group`) for one of several.
    """
    _refuse_in_group(hold)
    return release_group(hold.book, hold.group_id, actor=actor, reason=reason)[0]


def release_group(book: Book, group_id: UUID, *, actor: str, reason: str) -> tuple[Hold, ...]:
    """Let go what is left of every hold of a group and return the group as it stands; see :func:`release`."""
    if not reason.strip():
        raise Invalid(_("A release needs a reason."), field="reason", code="reason_required")
    with law_in_words():
        holds = _locked(book, group_id)
        active = [hold for hold in holds if hold.state == ACTIVE]
        if not active:
            raise _not_open(holds[0])
        _end(active, Hold.State.RELEASED, actor=actor, reason=reason)
        return _again(holds)


def expire_due() -> int:
    """End the holds whose time is up and return how many; what is being posted at this moment is left to the next run.

    Each round is its own commit, so a run that breaks off has done what it did.
    """
    ended = 0
    while now_ended := _expire_some():
        ended += now_ended
    return ended


@transaction.atomic
def _expire_some() -> int:
    due = Hold.objects.filter(state=ACTIVE, expires_at__lte=clock.now())
    held = list(
        with_accounts(due)
        .select_for_update(skip_locked=True, no_key=True, of=("self",))
        .order_by("pk")[:HOLDS_PER_SWEEP_MAX]
    )
    # A group of which another holds a part, or the limit cuts a part off, stays whole for the next round.
    taken = Counter(hold.group_id for hold in held)
    whole = Counter(Hold.objects.filter(state=ACTIVE, group_id__in=taken).values_list("group_id", flat=True))
    free = [hold for hold in held if taken[hold.group_id] == whole[hold.group_id]]
    if free:
        _end(free, Hold.State.EXPIRED, actor=SYSTEM)
    return len(free)


def _post(book: Book, group_id: UUID, asked: dict[UUID, Decimal] | None, words: _Words) -> HoldPosted:
    with law_in_words():
        holds = _locked(book, group_id)
        keys = {hold.pk: words.key if len(holds) == 1 else f"{words.key}#{hold.position}" for hold in holds}
        known = _journals_of(book, keys)
        if known:
            _refuse_other_wish(known, asked, words)
            amounts = {
                hold_id: journal.entries.get(amount_atoms__gt=0).amount_atoms
                for hold_id, journal in known.items()
            }
            value_on = words.value_on or next(iter(known.values())).value_on
        else:
            amounts = _amounts(holds, asked)
            value_on = words.value_on or clock.today()
        posting = [hold for hold in holds if hold.pk in amounts]
        requests = [_request(hold, keys[hold.pk], amounts[hold.pk], value_on, words) for hold in posting]
        results = post_batch(book, requests, actor=words.actor)
        journal_ids = tuple(result.journal_id for result in results)
        if known:
            return HoldPosted(journal_ids, tuple(holds), is_replay=True)
        holds_now = _again(holds)
        for hold, journal_id in zip(posting, journal_ids, strict=True):
            _record_posted(hold, journal_id, amounts[hold.pk], asked, words)
        rest = [hold for hold in holds_now if hold.state == ACTIVE]
        if words.then_release and rest:
            _end(rest, Hold.State.RELEASED, actor=words.actor, reason=words.narrative)
            holds_now = _again(holds)
        return HoldPosted(journal_ids, holds_now, is_replay=False)


def _locked(book: Book, group_id: UUID) -> list[Hold]:
    rows = with_accounts(Hold.objects.filter(book=book, group_id=group_id))
    holds = list(rows.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    if not holds:
        raise NotFound(_("There is no such group of holds."), field="group")
    return holds


def _again(holds: Sequence[Hold]) -> tuple[Hold, ...]:
    return tuple(with_accounts(Hold.objects.filter(pk__in=[hold.pk for hold in holds])).order_by("pk"))


def _refuse_in_group(hold: Hold) -> None:
    """A hold placed with others is posted and released with them."""
    if Hold.objects.filter(group_id=hold.group_id).count() > 1:
        raise Conflict(
            _("This hold was placed with others and is posted and released with them."),
            code="in_group",
            group=str(hold.group_id),
        )


def _not_open(hold: Hold) -> HoldNotOpen:
    return HoldNotOpen(
        _("This hold has ended: %(state)s.") % {"state": hold.get_state_display()},
        hold=str(hold.pk),
        state=hold.state,
    )


def _amounts(holds: Sequence[Hold], asked: dict[UUID, Decimal] | None) -> dict[UUID, int]:
    """Return the atoms to post of each active hold."""
    active = [hold for hold in holds if hold.state == ACTIVE]
    if not active:
        raise _not_open(holds[0])
    if asked is not None and asked.keys() != {hold.pk for hold in active}:
        raise Invalid(
            _("Give a quantity for every hold of the group that is open, or for none."),
            field="quantities",
            code="group_whole",
        )
    now = clock.now()
    return {hold.pk: _amount(hold, asked[hold.pk] if asked else None, now) for hold in active}


def _amount(hold: Hold, quantity: Decimal | None, now: datetime) -> int:
    if hold.expires_at is not None and hold.expires_at <= now:
        raise HoldNotOpen(_("This hold has expired."), hold=str(hold.pk), state=Hold.State.EXPIRED.value)
    if quantity is None:
        return hold.left_atoms
    asset = hold.debit_account.asset
    try:
        atoms = to_atoms(positive(quantity), asset.scale)
    except InexactValue as error:
        raise Invalid(f"{asset.code}: {error}", field="quantity", code="inexact", asset=asset.code) from error
    if atoms > hold.left_atoms:
        left = plain(asset.units(hold.left_atoms))
        raise HoldNotOpen(
            _("Of this hold %(left)s %(asset)s are left.") % {"left": left, "asset": asset.code},
            field="quantity",
            hold=str(hold.pk),
            state=hold.state,
            left=left,
        )
    return atoms


def _request(hold: Hold, key: str, atoms: int, value_on: date, words: _Words) -> JournalRequest:
    quantity = from_atoms(atoms, hold.debit_account.asset.scale)
    return JournalRequest(
        key=key,
        kind=words.kind,
        legs=(
            debit(AccountKey.exactly(hold.debit_account), quantity),
            credit(AccountKey.exactly(hold.credit_account), quantity),
        ),
        value_on=value_on,
        cause=words.cause or f"hold:{hold.pk}",
        narrative=words.narrative or hold.reason,
        hold=hold.pk,
    )


def _journals_of(book: Book, keys: Mapping[UUID, str]) -> dict[UUID, Journal]:
    """The journals that an earlier call with these keys made of these holds."""
    made = PostingKey.objects.filter(book_id=book.pk, key__in=keys.values(), journal__isnull=False)
    journals = Journal.objects.filter(pk__in=list(made.values_list("journal_id", flat=True)))
    of_hold = {journal.hold_id: journal for journal in journals}
    return {
        hold_id: of_hold[hold_id]
        for hold_id, key in keys.items()
        if hold_id in of_hold and of_hold[hold_id].idempotency_key == key
    }


def _refuse_other_wish(
    known: Mapping[UUID, Journal], asked: Mapping[UUID, Decimal] | None, words: _Words
) -> None:
    """The journals tell accounts, kind, cause and date; what else was asked for stands in their events."""
    events = Event.objects.filter(
        topic=POSTED, subject_type=Hold._meta.label_lower, subject_id__in=[str(hold_id) for hold_id in known]
    )
    told = {event.payload["journal"]: event.payload for event in events}
    differing = set()
    for hold_id, journal in known.items():
        before = told.get(str(journal.pk), {"asked": None, "then_release": False})
        if before["asked"] != _asked(asked, hold_id):
            differing.add("quantity")
        if before["then_release"] != words.then_release:
            differing.add("then_release")
    if asked is not None and asked.keys() != known.keys():
        differing.add("quantity")
    if differing:
        raise KeyReused(
            _("The key %(key)s was used before with another body; these differ: %(fields)s.")
            % {"key": words.key, "fields": ", ".join(sorted(differing))},
            field="key",
            differing=sorted(differing),
        )


def _asked(asked: Mapping[UUID, Decimal] | None, hold_id: UUID) -> str | None:
    if asked is None or hold_id not in asked:
        return None
    return plain(positive(asked[hold_id]).normalize())


def _end(holds: Sequence[Hold], state: str, *, actor: str, reason: str = "") -> None:
    now = clock.now()
    Hold.objects.filter(pk__in=[hold.pk for hold in holds]).update(state=state, ended_at=now)
    for hold in holds:
        record_event(
            f"ledger.hold.{state}",
            hold,
            actor=actor,
            reason=reason,
            broker_code=hold.book.code,
            group=str(hold.group_id),
            quantity=plain(hold.debit_account.asset.units(hold.left_atoms)),
        )


def _record_posted(
    hold: Hold, journal_id: UUID, atoms: int, asked: Mapping[UUID, Decimal] | None, words: _Words
) -> None:
    asset = hold.debit_account.asset
    record_event(
        POSTED,
        hold,
        actor=words.actor,
        reason=words.narrative,
        broker_code=hold.book.code,
        group=str(hold.group_id),
        journal=str(journal_id),
        quantity=plain(asset.units(atoms)),
        left=plain(asset.units(hold.left_atoms - atoms)),
        asked=_asked(asked, hold.pk),
        then_release=words.then_release,
    )
