from __future__ import annotations

import pytest

from ledger.models import Book
from tests.ledger.books import move, pledge

from .issuers import CHAN, LEE, booked, shares


@pytest.fixture
def tencent(book: Book) -> Book:
    """Chan and Lee have pledged Tencent; a part of Chan's is in a sale."""
    booked(
        book,
        [
            pledge("p1", CHAN, "1200", "00700", "CCASS"),
            pledge("p2", LEE, "333", "00700", "CCASS"),
            move("s1", shares(CHAN), shares(CHAN, "client_in_sale"), "200"),
        ],
    )
    return book
