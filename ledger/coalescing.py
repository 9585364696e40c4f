"""Callers of one process that post single journals at the same time share one commit.

A commit costs a write to disk and holds the locks of a hot account while it waits for it; ten commits of one journal each
cost ten times that. So callers leave their journals with a lane, a thread with a connection of its own, which posts all
that has gathered, and those who come meanwhile gather for its next commit. Nobody waits for company: a journal that finds
the lane idle goes at once.

Each caller gets its own result, after the commit that holds it. One caller's refusal is no concern of the others
(`posting.post_each_for`), and is kept under its key like that of any independent journal.

`DESK` is the one of this process: the single journals that come over REST meet there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from django.db import InterfaceError, OperationalError, connection

from .models import Book
from .posting import post_each_for
from .requests import JournalRequest, Posted, Refused

GATHERED_MAX: Final = 500
LANES: Final = 1


class _Wish:
    """One caller's journal, and the latch on which the caller waits."""

    __slots__ = ("actor", "book", "error", "latch", "outcome", "request")

    def __init__(self, book: Book, request: JournalRequest, actor: str) -> None:
        self.book = book
        self.request = request
        self.actor = actor
        self.outcome: Posted | Refused | None = None
        self.error: Exception | None = None
        self.latch = threading.Lock()
        self.latch.acquire()


class Coalescer:
    """Shares commits among the threads of a process; keep one for the life of the process.

    Its lanes start with the first journal, in each process anew: one that is forked inherits no threads.
    """

    def __init__(self, *, lanes: int = LANES) -> None:
        self._lanes = lanes
        self._process = 0
        self._beginning = threading.Lock()

    def _begin(self) -> None:
        self._gathered: SimpleQueue[_Wish] = SimpleQueue()
        for number in range(self._lanes):
            name = f"posting-lane-{number}"
            threading.Thread(target=_run_lane, args=(self._gathered,), name=name, daemon=True).start()
        self._process = os.getpid()

    def post(self, book: Book, request: JournalRequest, *, actor: str) -> Posted:
        """Book one journal in a commit that others may share.

        Raises what :func:`ledger.posting.post` raises; a refusal is remembered under the key. Must be called outside a
        transaction: a shared commit cannot be undone by one of its callers.
        """
        outcome = self.answer(book, request, actor=actor)
        if isinstance(outcome, Refused):
            raise outcome.refusal
        return outcome

    def answer(self, book: Book, request: JournalRequest, *, actor: str) -> Posted | Refused:
        """Do what :meth:`post` does, and return a refusal with whether it was given before."""
        if connection.in_atomic_block:
            raise RuntimeError("a journal that shares its commit cannot be part of a transaction")
        if self._process != os.getpid():
            with self._beginning:
                if self._process != os.getpid():
                    self._begin()
        wish = _Wish(book, request, actor)
        self._gathered.put(wish)
        wish.latch.acquire()
        if wish.error is not None:
            raise wish.error
        if wish.outcome is None:
            raise TypeError("a caller was let go without a result")
        return wish.outcome


DESK: Final = Coalescer()


def _run_lane(gathered: SimpleQueue[_Wish]) -> None:
    while True:
        taken = [gathered.get()]
        with suppress(Empty):
            while len(taken) < GATHERED_MAX:
                taken.append(gathered.get_nowait())
        books: dict[int, list[_Wish]] = {}
        for wish in taken:
            books.setdefault(wish.book.pk, []).append(wish)
        for wishes in books.values():
            _carry_out(wishes)


def _carry_out(wishes: Sequence[_Wish]) -> None:
    try:
        outcomes = _post_together(wishes)
        for wish, outcome in zip(wishes, outcomes, strict=True):
            wish.outcome = outcome
    except Exception as error:
        for wish in wishes:
            wish.error = error
    finally:
        for wish in wishes:
            wish.latch.release()


def _post_together(wishes: Sequence[_Wish]) -> list[Posted | Refused]:
    """Post once more when the connection was found dead: their keys keep what was booked from being booked again."""
    book = wishes[0].book
    requests = [wish.request for wish in wishes]
    actors = [wish.actor for wish in wishes]
    connection.close_if_unusable_or_obsolete()
    try:
        return post_each_for(book, requests, actors)
    except (OperationalError, InterfaceError):
        if connection.is_usable():
            raise
        connection.close()
        return post_each_for(book, requests, actors)
