"""Seal what was committed: one block for each book that has something new, in one commit.

May run anywhere and twice at once: an advisory lock lets one through, and a block's number is there once. A block reaches
to the oldest transaction still open, so a posting under way is sealed by the next run and never slips into an old block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.db import connection, transaction

from ledger.core import clock
from ledger.core.events import SYSTEM, record_event
from ledger.models import Block, Book

TOPIC: Final = "ledger.block.sealed"
# A proof hashes its whole block again, so blocks stay this small while a backlog is worked off.
JOURNALS_PER_RUN_MAX: Final = 20_000


def seal(*, journals_max: int = JOURNALS_PER_RUN_MAX, may_wait: bool = True) -> list[Block]:
    """Seal up to about `journals_max` journals, record `ledger.block.sealed` for each block and return the blocks.

    Unless it `may_wait` nothing is done while another sealer is at work, so that a long backlog does not gather workers.
    Raises InternalError (LB022) where transactions are counted anew, after a logical restore.
    """
    with transaction.atomic():
        if not may_wait and not _is_free():
            return []
        blocks = list(
            Block.objects.raw(
                "SELECT * FROM ledger_seal(%s::timestamptz, %s::integer)", [clock.now(), journals_max]
            )
        )
        books = Book.objects.in_bulk(block.book_id for block in blocks)
        for block in blocks:
            record_event(
                TOPIC,
                block,
                actor=SYSTEM,
                broker_code=books[block.book_id].code,
                number=str(block.number),
                hash=block.hash.hex(),
                journals=str(block.journal_count),
            )
    return blocks


def seal_all(*, may_wait: bool = True) -> Iterator[Block]:
    """Seal run after run until nothing is left below the oldest open transaction, each run in its own commit."""
    while blocks := seal(may_wait=may_wait):
        yield from blocks


def _is_free() -> bool:
    """Take the lock that `ledger_seal` takes, if nobody has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('ledger_seal', 0))")
        return bool(cursor.fetchone()[0])
