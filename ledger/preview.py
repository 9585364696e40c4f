"""What a posting would do, told by doing it and taking it back.

The preview runs the posting path itself, law and all, in a transaction that is always undone, so it cannot say anything
else than what posting then does. It leaves no journal, no opened account and no used key; it waits for the postings under
way on the same accounts, and those behind it wait for it, as long as it takes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db import connection, transaction

from ledger.core.errors import Refusal

from . import posting
from .balances import Standing, standings
from .models import Book
from .requests import JournalRequest, Posted, Refused


class Mode(StrEnum):
    """How a batch is taken: one refusal refuses everything, or each journal stands for itself."""

    ALL_OR_NONE = "all_or_none"
    INDEPENDENT = "independent"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would become of one journal: booked anew, known already under `journal_id`, or refused."""

    refusal: Refusal | None = None
    is_replay: bool = False
    journal_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """One outlook per request in order, and what would stand on each account that was named and would exist."""

    outlooks: tuple[Outlook, ...]
    standings: tuple[Standing, ...]


def post_as(
    book: Book, requests: Sequence[JournalRequest], *, actor: str, mode: Mode
) -> list[Posted] | list[Posted | Refused]:
    """Post a batch in its mode; raises what :func:`posting.post_batch` or :func:`posting.post_each` raise."""
    if mode is Mode.ALL_OR_NONE:
        return posting.post_batch(book, requests, actor=actor)
    return posting.post_each(book, requests, actor=actor)


def preview(book: Book, requests: Sequence[JournalRequest], *, actor: str, mode: Mode) -> Preview:
    """Tell what posting `requests` now would do, and what would then stand on their accounts.

    Raises what :func:`post_as` raises: a batch of all or none that would be refused is refused here in the same words.
    """
    keys = {leg.account._replace(slot=None) for request in requests for leg in request.legs}
    with transaction.atomic():
        results = post_as(book, requests, actor=actor, mode=mode)
        _check_what_waits_for_the_commit()
        found = standings(
            book,
            owners={key.owner for key in keys},
            roles={key.role for key in keys},
            with_empty=True,
        )
        transaction.set_rollback(True)
    fresh = {r.journal_id for r in results if isinstance(r, Posted) and not r.is_replay}
    return Preview(
        outlooks=tuple(_outlook(result, fresh) for result in results),
        standings=tuple(standing for standing in found if standing.key in keys),
    )


def _outlook(result: Posted | Refused, fresh: Collection[UUID]) -> Outlook:
    if isinstance(result, Refused):
        refusal = result.refusal
        if refusal.details.get("journal") in {str(journal_id) for journal_id in fresh}:
            del refusal.details["journal"]
        return Outlook(refusal=refusal, is_replay=result.is_replay)
    # A journal that would be new has no name yet, nor has its twin in the same batch.
    is_known = result.journal_id not in fresh
    return Outlook(is_replay=result.is_replay, journal_id=result.journal_id if is_known else None)


def _check_what_waits_for_the_commit() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def first_refused(book: Book, requests: Sequence[JournalRequest], *, actor: str) -> int:
    """Return the position of the request that a refused batch of all or none is refused for.

    That is the end of the shortest beginning of the batch that is refused; found by halving, and nothing is booked.
    """
    accepted, refused = 0, len(requests)
    while refused - accepted > 1:
        middle = (accepted + refused) // 2
        try:
            with transaction.atomic():
                posting.post_batch(book, requests[:middle], actor=actor)
                transaction.set_rollback(True)
        except Refusal:
            refused = middle
        else:
            accepted = middle
    return refused - 1
