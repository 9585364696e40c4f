"""Callers of one process that post single journals at the same time share one commit.

A commit costs a write to disk and holds the locks of a hot account while it waits for it; ten commits of one journal each
cost ten times that. So a caller who finds nobody at work posts what has gathered so far, its own journal among it, and
those who come meanwhile gather for the next commit. Nobody waits for company: the first journal goes at once.

Each caller gets its own result, after the commit that holds it. One caller's refusal is no concern of the others
(`posting.post_each_for`), and is kept under its key like that of any independent journal.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from django.db import connection

from .models import Book
from .posting import post_each_for
from .requests import JournalRequest, Posted, Refused

GATHERED_MAX: Final = 500
# One commit is prepared while another waits for the disk.
LANES: Final = 2


class _Wish:
    """One caller's journal, and the latch on which the caller waits."""

    __slots__ = ("actor", "book", "error", "is_leading", "latch", "outcome", "request")

    def __init__(self, book: Book, request: JournalRequest, actor: str) -> None:
        self.book = book
        self.request = request
        self.actor = actor
        self.outcome: Posted | Refused | None = None
        self.error: BaseException | None = None
        self.is_leading = False
        self.latch = threading.Lock()
        self.latch.acquire()


class Coalescer:
    """Shares commits among the threads of a process; keep one for the life of the process."""

    def __init__(self, *, lanes: int = LANES) -> None:
        self._lock = threading.Lock()
        self._gathered: deque[_Wish] = deque()
        self._idle_lanes = lanes

    def post(self, book: Book, request: JournalRequest, *, actor: str) -> Posted:
        """Book one journal in a commit that others may share.

        Raises what :func:`ledger.posting.post` raises; a refusal is remembered under the key. Must be called outside a
        transaction: a shared commit cannot be undone by one of its callers.
        """
        if connection.in_atomic_block:
            raise RuntimeError("a journal that shares its commit cannot be part of a transaction")
        wish = _Wish(book, request, actor)
        with self._lock:
            self._gathered.append(wish)
            wish.is_leading = self._idle_lanes > 0
            self._idle_lanes -= wish.is_leading
        if not wish.is_leading:
            wish.latch.acquire()
        if wish.is_leading:
            self._lead()
        if wish.error is not None:
            raise wish.error
        if isinstance(wish.outcome, Refused):
            raise wish.outcome.refusal
        if wish.outcome is None:
            raise TypeError("a caller was let go without a result")
        return wish.outcome

    def _lead(self) -> None:
        """Post what has gathered, on this caller's connection, and hand on to somebody who came meanwhile."""
        with self._lock:
            taken = [self._gathered.popleft() for _ in range(min(len(self._gathered), GATHERED_MAX))]
        try:
            _carry_out(taken)
        finally:
            with self._lock:
                heir = next((wish for wish in self._gathered if not wish.is_leading), None)
                if heir is None:
                    self._idle_lanes += 1
                else:
                    heir.is_leading = True
            if heir is not None:
                heir.latch.release()
            for wish in taken:
                if not wish.is_leading:
                    wish.latch.release()


def _carry_out(wishes: list[_Wish]) -> None:
    books: dict[int, list[_Wish]] = {}
    for wish in wishes:
        books.setdefault(wish.book.pk, []).append(wish)
    for mine in books.values():
        try:
            outcomes = post_each_for(
                mine[0].book, [wish.request for wish in mine], [wish.actor for wish in mine]
            )
        except BaseException as error:
            for wish in mine:
                wish.error = error
            if not isinstance(error, Exception):
                raise
        else:
            for wish, outcome in zip(mine, outcomes, strict=True):
                wish.outcome = outcome
