"""Write the proof that a journal lies in a sealed block; `verify` judges it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from ledger.core.errors import Conflict
from ledger.models import Block, BlockLeaves, Entry, Journal

from . import verify

HEADERS_MAX: Final = 10_000


class NotSealedYet(Conflict):
    """The journal was committed after the newest block; the sealer takes it within seconds."""

    code = "not_sealed_yet"


class SealBroken(Conflict):
    """What stands in the books is not what was sealed; `manage.py audit` names the rows."""

    code = "seal_broken"


def block_of(journal: Journal) -> Block | None:
    """Return the block that covers a journal's transaction, None while it is not sealed."""
    return (
        Block.objects.filter(
            book_id=journal.book_id,
            from_transaction__lte=journal.transaction,
            to_transaction__gt=journal.transaction,
        )
        .order_by("to_transaction")
        .first()
    )


def prove(journal: Journal, *, through: int | None = None) -> dict[str, Any]:
    """Return the proof of a journal, JSON-safe, with the headers from its block to block `through`.

    Without `through` only the journal's own block is named. Raises :class:`NotSealedYet`, and :class:`SealBroken` where
    the books no longer lead to the block's root.
    """
    block = block_of(journal)
    if block is None:
        raise NotSealedYet(
            _("This journal is not sealed yet; it is within seconds."), journal=str(journal.pk)
        )
    hashes = [bytes(leaf) for leaf in BlockLeaves.objects.get(pk=block.pk).leaves]
    told = _told(journal)
    leaf = verify.leaf_hash(told)
    place = hashes.index(leaf) if leaf in hashes else None
    if place is None or verify.tree(hashes)[-1][0] != bytes(block.merkle_root):
        raise SealBroken(
            _("The books are not what was sealed in block %(number)s.") % {"number": block.number},
            block=block.number,
        )
    chain = Block.objects.filter(
        book_id=block.book_id, number__gte=block.number, number__lte=max(through or 0, block.number)
    ).order_by("number")[:HEADERS_MAX]
    return {
        "format": verify.FORMAT,
        "journal": told,
        "place": place,
        "path": [step.hex() for step in verify.path_to(hashes, place)],
        "blocks": [header(each, journal.book.code) for each in chain],
    }


def header(block: Block, book_code: str) -> dict[str, str]:
    """Return a block's header as proofs and the API name it."""
    return {
        "book": book_code,
        "number": str(block.number),
        "from_transaction": str(block.from_transaction),
        "to_transaction": str(block.to_transaction),
        "journal_count": str(block.journal_count),
        "entry_count": str(block.entry_count),
        "merkle_root": bytes(block.merkle_root).hex(),
        "previous_hash": bytes(block.previous_hash).hex(),
        "sealed_at": utc(block.sealed_at),
        "hash": bytes(block.hash).hex(),
    }


def _told(journal: Journal) -> dict[str, Any]:
    entries = journal.entries.select_related("account__asset", "account__location").order_by("position")
    return {
        "id": str(journal.pk),
        "transaction": str(journal.transaction),
        "book": journal.book.code,
        "key": journal.idempotency_key,
        "kind": journal.kind,
        "value_on": journal.value_on.isoformat(),
        "booked_at": utc(journal.booked_at),
        "actor": journal.actor,
        "cause": journal.cause,
        "narrative": journal.narrative,
        "reversal_of": str(journal.reversal_of_id) if journal.reversal_of_id else None,
        "hold": str(journal.hold_id) if journal.hold_id else None,
        "entry_count": str(journal.entry_count),
        "entries": list(_lines(entries)),
    }


def _lines(entries: Iterable[Entry]) -> Iterable[dict[str, str]]:
    for entry in entries:
        account = entry.account
        yield {
            "position": str(entry.position),
            "role": account.role,
            "asset": account.asset.code,
            "scale": str(account.asset.scale),
            "owner": account.owner,
            "location": account.location.code if account.location else "",
            "slot": str(account.slot),
            "amount_atoms": str(entry.amount_atoms),
            "balance_atoms": str(entry.balance_atoms),
            "version": str(entry.version),
        }


def utc(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
