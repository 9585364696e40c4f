"""Raw SQL goes round the application and is refused. See `ledger/INVARIANTS.md`."""

from __future__ import annotations

import pytest
from django.db import Error, transaction

from ledger import holds
from ledger.core.ids import uuid7, uuid7s
from ledger.models import Balance, Book, Entry, Hold
from tests.ledger.books import BANK, account_id, cash, pledged, raw_entries, raw_journal, sql, without_law

from .reserved import CHAN, LEE, held, one, opened, pay, place, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def hold(book: Book) -> Hold:
    """40.00 of Ms Chan's 100.00 are to be paid out."""
    opened(book)
    made = one(book, "40.00")
    # Checks that wait for the commit would refuse some statements below before the law does.
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    return made


def raw_hold(book: Book, **columns: object) -> str:
    """Insert a hold of 1.00 of Ms Chan by hand and return its id."""
    hold_id = columns.get("id", str(uuid7()))
    values = {
        "id": hold_id,
        "book_id": book.pk,
        "group_id": hold_id,
        "position": 1,
        "idempotency_key": f"raw:{uuid7()}",
        "body_hash": b"\0" * 32,
        "debit_account_id": account_id(book, cash(CHAN)),
        "credit_account_id": account_id(book, BANK),
        "amount_atoms": 100,
        "posted_atoms": 0,
        "state": "active",
        "placed_at": "2022-05-12T04:00:00Z",
        "actor": "psql",
        "reason": "",
    } | columns
    names = ", ".join(values)
    marks = ", ".join(["%s"] * len(values))
    sql(f"INSERT INTO ledger_hold ({names}) VALUES ({marks})", *values.values())
    return str(values["id"])


def pay_out(book: Book, hold: Hold | None, amount: int, *, owner: str = CHAN, **columns: object) -> None:
    """Book a payment by hand that names a hold."""
    ids = [account_id(book, cash(owner)), account_id(book, BANK)]
    rows = {b.account_id: b for b in Balance.objects.filter(account_id__in=ids)}
    journal = raw_journal(book, 2, **({"hold_id": hold.pk} if hold else {}) | columns)
    raw_entries(
        *(
            (journal, account, str(atoms), str(rows[account].net_atoms + atoms), rows[account].version + 1)
            for account, atoms in zip(ids, (amount, -amount), strict=True)
        )
    )


def refused(match: str, *statement: object) -> None:
    with pytest.raises(Error, match=match), transaction.atomic():
        sql(*statement)  # type: ignore[arg-type]


def test_a_correct_hold_and_posting_by_hand_are_taken_so_the_refusals_below_mean_something(
    book: Book, hold: Hold
) -> None:
    raw_hold(book)
    assert held(book, cash(CHAN)) == (4100, 0)
    pay_out(book, hold, 1500)
    assert told(hold) == ("active", 1500)
    assert held(book, cash(CHAN)) == (2600, 0)
    sql("UPDATE ledger_hold SET state = 'released', ended_at = now() WHERE id = %s", hold.pk)
    assert held(book, cash(CHAN)) == (100, 0)


def test_l13_what_is_held_moved_by_hand(book: Book, hold: Hold) -> None:
    for column in ("held_debit_atoms", "held_credit_atoms"):
        refused("moves only by its entries", f"UPDATE ledger_balance SET {column} = {column} + 1")
    # Not by the law's own functions either: they move only what a trigger tells them.
    account = account_id(book, cash(CHAN))
    refused(
        "moves only by its entries", "SELECT ledger_move_held(ARRAY[%s], ARRAY[-4000], ARRAY[0])", account
    )


def test_l13_a_balance_that_starts_with_something_held(book: Book, hold: Hold) -> None:
    account = account_id(book, cash(CHAN))
    for column in ("held_debit_atoms", "held_credit_atoms"):
        refused(
            "moves only by its entries",
            f"INSERT INTO ledger_balance (account_id, {column}) VALUES (%s, 1)",
            account + 1000,
        )


def test_l13_a_hold_beyond_the_bound(book: Book, hold: Hold) -> None:
    with pytest.raises(Error, match="has no room to hold that"), transaction.atomic():
        raw_hold(book, amount_atoms=6001)
    # Several of one statement count together.
    with pytest.raises(Error, match="has no room to hold that"), transaction.atomic():
        sql(
            "INSERT INTO ledger_hold (id, book_id, group_id, idempotency_key, body_hash, debit_account_id,"
            " credit_account_id, amount_atoms, placed_at, actor, reason, state)"
            " SELECT g.id, h.book_id, g.id, 'raw' || n, h.body_hash, h.debit_account_id, h.credit_account_id, 3001,"
            " h.placed_at, 'psql', '', 'active' FROM ledger_hold h,"
            " unnest(%s::uuid[]) WITH ORDINALITY AS g(id, n)",
            uuid7s(2),
        )
    raw_hold(book, amount_atoms=6000)
    with pytest.raises(Error, match="outside its bounds"):
        pay_out(book, None, 1)


def test_l13_bounds_drawn_so_that_what_is_held_stands_outside(book: Book, hold: Hold) -> None:
    chan = account_id(book, cash(CHAN))
    with pytest.raises(Error, match="ledger_balance_within_bounds"):
        without_law(f"UPDATE ledger_balance SET ceiling_atoms = -6001 WHERE account_id = {chan}")


def test_l14_what_was_posted_moved_by_hand(book: Book, hold: Hold) -> None:
    pay_out(book, hold, 1500)
    for change in (
        "posted_atoms = 1600",
        "posted_atoms = 0",
        "posted_atoms = 4000, state = 'posted', ended_at = now()",
        "state = 'posted', ended_at = now()",
    ):
        refused("cannot become", f"UPDATE ledger_hold SET {change}")
    journal = str(Entry.objects.latest("pk").journal_id)
    refused("cannot become", "SELECT ledger_post_holds(ARRAY[%s]::uuid[])", journal)


def test_l14_a_journal_that_posts_more_than_is_left(book: Book, hold: Hold) -> None:
    with pytest.raises(Error, match="of which 4000 atoms are left"), transaction.atomic():
        pay_out(book, hold, 4001)
    pay_out(book, hold, 3000)
    with pytest.raises(Error, match="of which 1000 atoms are left"):
        pay_out(book, hold, 1001)


def test_l14_two_journals_of_one_statement_that_post_more_than_is_left(book: Book, hold: Hold) -> None:
    chan, bank = account_id(book, cash(CHAN)), account_id(book, BANK)
    one, two = raw_journal(book, 2, hold_id=hold.pk), raw_journal(book, 2, hold_id=hold.pk)
    with pytest.raises(Error, match="is not a posting of hold"):
        raw_entries(
            (one, chan, "2000", "-8000", 2),
            (one, bank, "-2000", "13000", 3),
            (two, chan, "2001", "-5999", 3),
            (two, bank, "-2001", "10999", 4),
        )


def test_l14_a_journal_on_other_accounts(book: Book, hold: Hold) -> None:
    with pytest.raises(Error, match="is not a posting of hold"), transaction.atomic():
        pay_out(book, hold, 1000, owner=LEE)
    # The other way round.
    with pytest.raises(Error, match="is not a posting of hold"), transaction.atomic():
        pay_out(book, hold, -1000)
    # With a third account beside.
    chan, lee, bank = (account_id(book, key) for key in (cash(CHAN), cash(LEE), BANK))
    journal = raw_journal(book, 3, hold_id=hold.pk)
    with pytest.raises(Error, match="is not a posting of hold"):
        raw_entries(
            (journal, chan, "1000", "-9000", 2),
            (journal, bank, "-900", "14100", 3),
            (journal, lee, "-100", "-5100", 2),
        )


def test_l14_a_hold_posted_twice(book: Book, hold: Hold) -> None:
    pay_out(book, hold, 4000)
    assert told(hold) == ("posted", 4000)
    with pytest.raises(Error, match="is not a posting of hold"):
        pay_out(book, hold, 1)


def test_l14_a_hold_that_ended_or_expired_or_is_none_posted(book: Book, hold: Hold) -> None:
    over = raw_hold(book, expires_at="2022-05-12T04:00:01Z")
    with pytest.raises(Error, match="is not a posting of hold"), transaction.atomic():
        pay_out(book, Hold.objects.get(pk=over), 100)
    holds.release(hold, actor="lam", reason="Mistake")
    with pytest.raises(Error, match="is not a posting of hold"), transaction.atomic():
        pay_out(book, hold, 100)
    with pytest.raises(Error, match="is not a posting of hold"):
        pay_out(book, None, 100, hold_id=str(uuid7()))


def test_l14_a_hold_of_another_book_posted(book: Book, hold: Hold) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Securities")
    theirs = [account_id(peak, cash(CHAN)), account_id(peak, BANK)]
    journal = raw_journal(peak, 2, hold_id=hold.pk)
    with pytest.raises(Error, match="is not a posting of hold"):
        raw_entries((journal, theirs[0], "-1", "-1", 1), (journal, theirs[1], "1", "1", 1))


def test_l15_a_hold_that_ended_reopened(book: Book, hold: Hold) -> None:
    for state in ("released", "posted"):
        other = one(book, "1.00", key=state)
        if state == "released":
            holds.release(other, actor="lam", reason="Mistake")
        else:
            holds.post_hold(other, key="s1", actor="ops")
        for change in (
            "state = 'active', ended_at = NULL",
            "state = 'released', ended_at = now()",
            "ended_at = now()",
            "state = 'active', ended_at = NULL, posted_atoms = 0",
        ):
            refused(
                f"is {state} and cannot become", f"UPDATE ledger_hold SET {change} WHERE id = %s", other.pk
            )


def test_l15_what_a_hold_was_placed_for_changed(book: Book, hold: Hold) -> None:
    lee = account_id(book, cash(LEE))
    for change in (
        "amount_atoms = 3000",
        "amount_atoms = 5000",
        f"debit_account_id = {lee}",
        f"credit_account_id = {lee}",
        "idempotency_key = 'h2'",
        "body_hash = '\\x00'",
        "expires_at = now()",
        "placed_at = now()",
        "actor = 'psql'",
        "reason = 'None'",
        "position = 2",
        "group_id = gen_random_uuid()",
        "id = gen_random_uuid()",
    ):
        refused("cannot become|violates", f"UPDATE ledger_hold SET {change}")


def test_l15_a_hold_deleted_or_all_of_them(book: Book, hold: Hold) -> None:
    refused("append-only|refused", "DELETE FROM ledger_hold")
    refused("append-only|refused", "TRUNCATE ledger_hold")
    refused("append-only|refused|cannot truncate", "TRUNCATE ledger_hold CASCADE")


def test_l15_a_hold_that_expires_before_its_time_or_without_one(book: Book, hold: Hold) -> None:
    later = raw_hold(book, expires_at="2099-01-01T00:00:00Z")
    for hold_id in (hold.pk, later):
        refused(
            "is active and cannot become expired",
            "UPDATE ledger_hold SET state = 'expired', ended_at = now() WHERE id = %s",
            hold_id,
        )


@pytest.mark.parametrize(
    "columns",
    [
        {"posted_atoms": 1},
        {"posted_atoms": 100, "state": "posted", "ended_at": "2022-05-12T04:00:00Z"},
        {"state": "released", "ended_at": "2022-05-12T04:00:00Z"},
        {"state": "solid"},
        {"amount_atoms": 0},
        {"amount_atoms": -1},
        {"ended_at": "2022-05-12T04:00:00Z"},
        {"expires_at": "2022-05-12T04:00:00Z"},
        {"position": 2},
        {"group_id": "019e0000-0000-7000-8000-000000000000"},
    ],
    ids=lambda columns: " ".join(columns),
)
def test_l15_a_hold_placed_as_something_else_than_a_new_one(
    book: Book, hold: Hold, columns: dict[str, object]
) -> None:
    with pytest.raises(Error, match=r"is not one between|is not placed whole|violates"):
        raw_hold(book, **columns)


def test_l15_a_hold_between_accounts_that_do_not_fit(book: Book, hold: Hold) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Securities")
    for columns in (
        {"credit_account_id": account_id(book, cash(CHAN))},
        {"credit_account_id": account_id(book, pledged(CHAN))},
        {"credit_account_id": account_id(peak, BANK)},
        {"credit_account_id": 10**9},
        {"book_id": peak.pk},
    ):
        with pytest.raises(Error, match=r"is not one between|foreign key"), transaction.atomic():
            raw_hold(book, **columns)


def test_l15_a_hold_that_joins_a_group_later(book: Book, hold: Hold) -> None:
    with pytest.raises(Error, match="is not placed whole"), transaction.atomic():
        raw_hold(book, group_id=hold.pk, position=2)
    with pytest.raises(Error, match="is not placed whole"), transaction.atomic():
        raw_hold(book, group_id=hold.pk, position=1)
    with pytest.raises(Error, match="ledger_hold_pkey"):
        raw_hold(book, id=str(hold.pk))


def test_l15_a_group_let_go_in_part(book: Book, hold: Hold) -> None:
    group = place(book, pay("1.00"), pay("2.00"), key="g1")
    for number in (0, 1):
        refused(
            "without the rest of its group",
            "UPDATE ledger_hold SET state = 'released', ended_at = now() WHERE id = %s",
            group[number].pk,
        )
    sql("UPDATE ledger_hold SET state = 'released', ended_at = now() WHERE group_id = %s", group[0].pk)
    assert held(book, cash(CHAN)) == (4000, 0)
