"""Kinds of damage that only the owner of the tables can do: the audit finds each and names the row.

What each check says in words is told in `test_audit.py`; here they are counted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ledger import audit, holds, posting
from ledger.core.ids import uuid7
from ledger.holds import HoldRequest
from ledger.models import Book, Journal
from ledger.models.account import UNBOUNDED_ROLES

from .books import BANK, account_id, cash, cash_in, cash_out, custody, move, pledge, sql, without_law
from .damages import LAW, ROWS, Damage

CHAN, LEE = "H0001", "H0002"


@pytest.fixture
def names(book: Book) -> dict[str, Any]:
    """A few days at Harbour Securities, and what its rows are called."""
    batch = [
        cash_in("d1", CHAN, "100.00"),
        cash_in("d2", LEE, "50.00"),
        cash_out("w1", CHAN, "30.00"),
        pledge("p1", CHAN, "1.5"),
        cash_in("d3", LEE, "7.00"),
        cash_in("d4", "H0003", "1.00"),
        cash_out("w4", "H0003", "1.00"),
    ]
    posting.post_batch(book, batch, actor="ops")
    posting.reverse(Journal.objects.get(idempotency_key="d3"), key="r1", actor="lam", reason="Mistake")
    posting.post_each(book, [cash_out("w9", CHAN, "999.00")], actor="ops")
    chan, lee = account_id(book, cash(CHAN)), account_id(book, cash(LEE))
    wish = HoldRequest(cash(CHAN), cash(LEE), Decimal("20.00"))
    [hold] = holds.place(book, [wish], key="h1", actor="ops").holds
    posting.post(book, move("h1.1", cash(CHAN), cash(LEE), "5.00", hold=hold.pk), actor="ops")
    [[fk]] = sql(
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'ledger_balance'::regclass"
    )
    [[month]] = sql("SELECT DISTINCT tableoid::regclass::text FROM ledger_journal")
    return {
        "chan": chan,
        "lee": lee,
        "bank": account_id(book, BANK),
        "vault": account_id(book, custody()),
        "idle": account_id(book, cash("H0003")),
        "peak": Book.objects.create(code="PEAK", name="Peak Securities").pk,
        "bank_place": sql("SELECT id FROM ledger_location WHERE code = 'BANK'")[0][0],
        "h1": hold.pk,
        "new": uuid7(),
        "balance_fk": fk,
        "journals": month,
        "entries": month.replace("journal", "entry"),
    } | dict(Journal.objects.values_list("idempotency_key", "pk").exclude(idempotency_key="h1.1"))


def found() -> set[tuple[str, str]]:
    return {(finding.check.removeprefix("ledger."), finding.subject) for finding in audit.run().findings}


@pytest.mark.django_db
def test_nothing_is_found_before_anything_is_damaged(names: dict[str, Any]) -> None:
    assert found() == set()


@pytest.mark.django_db
@pytest.mark.parametrize("damage", ROWS, ids=lambda damage: damage.kind)
def test_damaged_rows_are_found_and_named(names: dict[str, Any], damage: Damage) -> None:
    # Statement by statement: a trigger that waits for the commit would stop what comes after.
    without_law(*damage.statement.format(**names).split("; "))

    assert (damage.check, damage.subject.format(**names)) in found()


@pytest.mark.django_db
@pytest.mark.parametrize("damage", LAW, ids=lambda damage: damage.kind)
def test_damaged_law_is_found_and_named(names: dict[str, Any], damage: Damage) -> None:
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql(damage.statement.format(**names))

    assert (damage.check, damage.subject.format(**names)) in found()


def test_at_least_twenty_kinds_are_told_apart() -> None:
    assert len({damage.kind for damage in ROWS}) >= 40
    assert len({damage.kind for damage in LAW}) >= 10


@pytest.mark.django_db
def test_the_audit_knows_which_roles_lie_in_slots() -> None:
    [[query]] = [[path.read_text()] for path in audit._SQL.glob("audit/accounts_have_a_place.sql")]

    assert {f"'{role}'" for role in UNBOUNDED_ROLES} == set(
        query.split("c.role NOT IN (")[1].split(")")[0].split(", ")
    )
