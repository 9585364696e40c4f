"""The newest hashes, one line a book, to be kept where the database's owner cannot reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ledger.models import Block, Book

from .proof import utc


def anchor_lines() -> Iterator[str]:
    """Yield `number hash sealed-at book` of each book's newest block; `verify.read_anchors` reads it."""
    for book in Book.objects.order_by("code"):
        block = Block.objects.filter(book=book).order_by("-number").first()
        if block is not None:
            yield f"{block.number} {bytes(block.hash).hex()} {utc(block.sealed_at)} {book.code}"


def append_to(path: Path) -> int:
    """Append the lines that `path` does not end with yet, and return how many."""
    known = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()
    fresh = [line for line in anchor_lines() if line not in known]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in fresh)
    return len(fresh)
