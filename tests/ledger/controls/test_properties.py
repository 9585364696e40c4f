"""Whatever is paid, limited, closed and reopened in whatever order, what is refused is what the rules refuse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import audit, posting
from ledger.balances import holding
from ledger.core.decimals import from_atoms
from ledger.core.errors import Refusal
from ledger.models import Account, Book
from tests.ledger.books import account_id, cash, cash_in, cash_out
from tests.ledger.corporate_actions.issuers import on

from .accounts import CHAN, TODAY, changed, limited

days = st.integers(1, 4).map(lambda n: TODAY - timedelta(days=n))
bounds = st.none() | st.integers(-300, 600)
steps = st.one_of(
    st.tuples(st.just("pay"), st.integers(-300, 300).filter(bool), days),
    st.tuples(st.just("limit"), bounds, bounds),
    st.tuples(st.just("close"), days, st.none()),
    st.tuples(st.just("reopen"), st.none() | days, st.none()),
)


@dataclass
class Plain:
    """One client's money as a child would keep it: what stands, the bounds, and the last closed day."""

    standing: int = 0
    floor: int | None = 0
    ceiling: int | None = None
    closed: date | None = None

    def is_within(self, standing: int, floor: int | None, ceiling: int | None) -> bool:
        return (floor is None or floor <= standing) and (ceiling is None or standing <= ceiling)

    def pay(self, amount: int, day: date) -> bool:
        if self.closed and day <= self.closed:
            return False
        if not self.is_within(self.standing + amount, self.floor, self.ceiling):
            return False
        self.standing += amount
        return True

    def limit(self, floor: int | None, ceiling: int | None) -> bool:
        if floor is not None and ceiling is not None and floor > ceiling:
            return False
        if not self.is_within(self.standing, floor, ceiling):
            return False
        self.floor, self.ceiling = floor, ceiling
        return True

    def close(self, day: date, _nothing: None) -> bool:
        if self.closed and day <= self.closed:
            return False
        self.closed = day
        return True

    def reopen(self, day: date | None, _nothing: None) -> bool:
        if self.closed is None or (day is not None and day >= self.closed):
            return False
        self.closed = day
        return True


def done(book: Book, account: Account, step: int, what: str, one: object, other: object) -> bool:
    """Do the same in the books and say whether it was done."""
    try:
        match what:
            case "pay":
                amount = int(str(one))
                make = cash_in if amount > 0 else cash_out
                posting.post(
                    book, make(f"k{step}", CHAN, str(units(abs(amount))), value_on=other), actor="ops"
                )
            case "limit":
                limited(account, floor=units(one), ceiling=units(other))
            case _:
                changed(book, what, one)  # type: ignore[arg-type]
    except Refusal:
        return False
    return True


def units(atoms: object) -> Decimal | None:
    return None if atoms is None else from_atoms(int(str(atoms)), 2)


@pytest.mark.django_db
def test_limits_and_periods_refuse_exactly_what_they_say(book: Book) -> None:
    account = Account.objects.get(pk=account_id(book, cash(CHAN)))

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(steps, max_size=14))
    def story(told: list[tuple[str, object, object]]) -> None:
        plain = Plain()
        with transaction.atomic(), on(TODAY):
            for number, (what, one, other) in enumerate(told):
                expected = getattr(plain, what)(one, other)
                assert done(book, account, number, what, one, other) == expected, (what, one, other)
                assert holding(book, cash(CHAN)) == units(plain.standing)
            book.refresh_from_db()
            assert book.closed_through == plain.closed
            findings = audit.run().findings
            transaction.set_rollback(True)
        assert findings == ()

    story()
