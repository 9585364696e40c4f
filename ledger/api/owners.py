"""Whose accounts there may be. The room that knows clients says so by :func:`know_owners_by`."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ledger.models import Book

StrangersOf = Callable[[Book, Collection[str]], set[str]]
_rules: list[StrangersOf] = []


def know_owners_by(rule: StrangersOf) -> StrangersOf:
    """Let `rule` tell which of some owners' names are nobody's in a book."""
    _rules.append(rule)
    return rule


def strangers(book: Book, owners: Collection[str]) -> set[str]:
    """Return the names that some rule does not know; none without a rule."""
    return set().union(*(rule(book, owners) for rule in _rules)) if owners else set()
