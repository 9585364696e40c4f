"""Raw SQL goes round the application and is refused. See `ledger/INVARIANTS.md`."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import Error, transaction

from ledger import posting
from ledger.core.ids import uuid7
from ledger.models import Asset, Balance, Book, Entry, Journal
from ledger.posting import credit, debit

from .books import (
    BANK,
    DAY,
    account_id,
    cash,
    cash_in,
    custody,
    pledge,
    pledged,
    raw_entries,
    raw_journal,
    raw_post,
    sql,
    without_law,
)

pytestmark = pytest.mark.django_db
CHAN, LEE = "H0001", "H0002"


@pytest.fixture
def ids(book: Book) -> tuple[int, int]:
    """Ms Chan has 100.00 at the bank: the ids of the bank's account and of hers, each at version 1."""
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    # Checks that wait for the commit would refuse some statements below before the law does.
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    return account_id(book, BANK), account_id(book, cash(CHAN))


def test_a_correct_journal_by_hand_is_taken_so_the_refusals_below_mean_something(
    book: Book, ids: tuple[int, int]
) -> None:
    bank, chan = ids
    journal = raw_journal(book, 2)

    raw_entries((journal, bank, "500", "10500", 2), (journal, chan, "-500", "-10500", 2))

    assert Balance.objects.get(account_id=chan).net_atoms == -10500


def test_l1_an_unbalanced_journal(book: Book, ids: tuple[int, int]) -> None:
    bank, chan = ids
    journal = raw_journal(book, 2)

    with pytest.raises(Error, match="does not balance in HKD at any location: off by 1 atoms"):
        raw_entries((journal, bank, "500", "10500", 2), (journal, chan, "-499", "-10499", 2))


def test_l1_two_assets_do_not_balance_each_other(book: Book, ids: tuple[int, int]) -> None:
    _bank, chan = ids
    posting.post(book, pledge("p1", CHAN, "1"), actor="ops")
    vault = account_id(book, custody())
    journal = raw_journal(book, 2)

    with pytest.raises(Error, match="does not balance"):
        raw_entries((journal, chan, "-500", "-10500", 2), (journal, vault, "500", "100000500", 2))


def test_l1_shares_moved_on_one_side_only(book: Book) -> None:
    posting.post(book, pledge("p1", CHAN, "500", "00700", "CCASS"), actor="ops")
    here = account_id(book, custody("00700", "CCASS"))
    there = account_id(book, custody("00700", "VAULT"))
    journal = raw_journal(book, 2)

    with pytest.raises(Error, match=r"does not balance in 00700 at (CCASS|VAULT)"):
        raw_entries((journal, there, "500", "500", 1), (journal, here, "-500", "0", 2))


def test_l1_amounts_that_differ_in_the_eighteenth_digit(book: Book) -> None:
    posting.post(book, pledge("p1", CHAN, "1", "ETH"), actor="ops")
    vault, chan = account_id(book, custody("ETH")), account_id(book, pledged(CHAN, "ETH"))
    journal = raw_journal(book, 2)

    with pytest.raises(Error, match="off by -1 atoms"):
        raw_entries(
            (journal, vault, "1000000000000000001", "2000000000000000001", 2),
            (journal, chan, "-1000000000000000002", "-2000000000000000002", 2),
        )


def test_l2_entries_brought_later_to_a_journal_without_any(book: Book, ids: tuple[int, int]) -> None:
    bank, chan = ids
    journal = raw_journal(book, 2)
    # The story's journals are made by this very transaction, so give this one another's number.
    without_law(f"UPDATE ledger_journal SET transaction = '3'::xid8 WHERE id = '{journal}'")

    with pytest.raises(Error, match="must come whole, once, with their journal"):
        raw_entries((journal, bank, "500", "10500", 2), (journal, chan, "-500", "-10500", 2))


def test_l2_entries_appended_to_an_old_journal(book: Book, ids: tuple[int, int]) -> None:
    bank, chan = ids
    journal = Journal.objects.get()
    without_law("UPDATE ledger_journal SET transaction = '3'::xid8")

    with pytest.raises(Error, match=r"must come whole, once, with their journal|ledger_entry_y\d+m\d+_pkey"):
        raw_entries((journal.pk, bank, "500", "10500", 2), (journal.pk, chan, "-500", "-10500", 2))


def test_l2_a_second_set_of_entries_in_the_same_transaction(book: Book, ids: tuple[int, int]) -> None:
    bank, chan = ids
    journal = raw_journal(book, 2)
    raw_entries((journal, bank, "500", "10500", 2), (journal, chan, "-500", "-10500", 2))

    with pytest.raises(Error, match=r"must come whole, once, with their journal|ledger_entry_y\d+m\d+_pkey"):
        raw_entries((journal, bank, "500", "11000", 3), (journal, chan, "-500", "-11000", 3))


def test_l2_entries_of_one_journal_in_two_statements(book: Book, ids: tuple[int, int]) -> None:
    bank, _chan = ids
    journal = raw_journal(book, 2)

    with pytest.raises(Error, match="must come whole, once, with their journal"):
        raw_entries((journal, bank, "500", "10500", 2))


def test_l2_entries_without_a_journal(book: Book, ids: tuple[int, int]) -> None:
    bank, chan = ids
    nobody = str(uuid7())

    with pytest.raises(Error, match="must come whole, once, with their journal"):
        raw_entries((nobody, bank, "500", "10500", 2), (nobody, chan, "-500", "-10500", 2))


def test_l2_entries_on_an_account_of_another_book_or_of_none(book: Book, ids: tuple[int, int]) -> None:
    bank, chan = ids
    other = Book.objects.create(code="PEAK", name="Peak Securities")
    for there, number in ((other, chan), (book, 999_999_999)):
        journal = raw_journal(there, 2)
        with pytest.raises(Error, match="and in its book"), transaction.atomic():
            raw_entries((journal, bank, "500", "10500", 2), (journal, number, "-500", "-10500", 2))


def test_l2_a_journal_that_names_another_transaction(book: Book) -> None:
    with pytest.raises(Error, match="carries the transaction that writes it"):
        raw_journal(book, 2, transaction="9000000000000000000")


@pytest.mark.parametrize("entries", [0, 1, -1])
def test_l2_a_journal_that_says_it_has_fewer_than_two_entries(book: Book, entries: int) -> None:
    with pytest.raises(Error, match=r"ledger_journal_(has_entries|entry_count_check)"):
        raw_journal(book, entries)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_balance SET net_atoms = net_atoms - 1",
        "UPDATE ledger_balance SET version = version + 1",
        "INSERT INTO ledger_balance (account_id, net_atoms, version)"
        " SELECT account_id, 5, 0 FROM ledger_balance ON CONFLICT (account_id) DO UPDATE SET net_atoms = 5",
        "MERGE INTO ledger_balance b USING ledger_account a ON a.id = b.account_id"
        " WHEN MATCHED THEN UPDATE SET net_atoms = 0",
        "UPDATE ledger_balance SET account_id = account_id + 1000",
        "DELETE FROM ledger_balance",
        "TRUNCATE ledger_balance",
        "TRUNCATE ledger_account CASCADE",
        "TRUNCATE ledger_asset CASCADE",
    ],
)
def test_l3_a_balance_moved_without_entries(book: Book, ids: tuple[int, int], statement: str) -> None:
    with pytest.raises(Error, match=r"a balance moves only by its entries|never changes|append-only"):
        sql(statement)


def test_l3_a_balance_that_starts_with_something(book: Book, ids: tuple[int, int]) -> None:
    _bank, chan = ids
    sql(
        'INSERT INTO ledger_account (book_id, owner, role, asset_id, "freeze")'
        ' SELECT book_id, %s, role, asset_id, "freeze" FROM ledger_account WHERE id = %s',
        LEE,
        chan,
    )

    with pytest.raises(Error, match="a balance moves only by its entries: INSERT"):
        sql("INSERT INTO ledger_balance (account_id, net_atoms) SELECT max(id), 1 FROM ledger_account")


@pytest.mark.parametrize(
    ("bank_row", "chan_row"),
    [
        pytest.param(("500", "10500", 3), ("-500", "-10500", 2), id="a version left out"),
        pytest.param(("500", "10500", 1), ("-500", "-10500", 2), id="a version used again"),
        pytest.param(("500", "10501", 2), ("-500", "-10500", 2), id="a balance that is not the sum"),
        pytest.param(("500", "500", 2), ("-500", "-10500", 2), id="a balance that forgets what stood there"),
    ],
)
def test_l3_entries_that_do_not_continue_the_balance(
    book: Book, ids: tuple[int, int], bank_row: tuple[object, ...], chan_row: tuple[object, ...]
) -> None:
    bank, chan = ids
    journal = raw_journal(book, 2)

    with pytest.raises(Error, match=r"do not continue the balances|ledger_entry_y\d+m\d+_version_once"):
        raw_entries((journal, bank, *bank_row), (journal, chan, *chan_row))


@pytest.mark.parametrize(
    ("stated", "versions"),
    [
        pytest.param("4999", (2, 3), id="too little on the way"),
        pytest.param("5001", (2, 3), id="too much on the way"),
        pytest.param("5000", (2, 4), id="a version left out between them"),
        pytest.param("5000", (0, 3), id="a version from before the first"),
    ],
)
def test_l3_two_entries_of_one_statement_that_do_not_follow_each_other(
    book: Book, ids: tuple[int, int], stated: str, versions: tuple[int, int]
) -> None:
    bank, chan = ids
    there, back = raw_journal(book, 2), raw_journal(book, 2)

    with pytest.raises(Error, match="do not continue the balances"):
        raw_entries(
            (there, bank, "-5000", stated, versions[0]),
            (there, chan, "5000", "-5000", 2),
            (back, bank, "5000", "10000", versions[1]),
            (back, chan, "-5000", "-10000", 3),
        )


def test_l3_a_floor_broken(book: Book, ids: tuple[int, int]) -> None:
    bank, chan = ids
    journal = raw_journal(book, 2)

    with pytest.raises(Error, match="would stand at 1 atoms, outside its bounds"), transaction.atomic():
        raw_entries((journal, chan, "10001", "1", 2), (journal, bank, "-10001", "-1", 2))
    assert Balance.objects.get(account_id=chan).net_atoms == -10000


def test_l3_bounds_drawn_so_that_the_balance_stands_outside(book: Book, ids: tuple[int, int]) -> None:
    with pytest.raises(Error, match="ledger_balance_within_bounds"):
        without_law(f"UPDATE ledger_balance SET floor_atoms = -5 WHERE account_id = {ids[1]}")


@pytest.mark.parametrize(
    "amount", ["0.5", "1.5", "NaN", "Infinity", "-Infinity", "1e400", "1e38", "-1e38", "500.0000000001"]
)
def test_l3_half_an_atom_and_what_is_no_number(book: Book, ids: tuple[int, int], amount: str) -> None:
    bank, chan = ids
    journal = raw_journal(book, 2)
    opposite = {"NaN": "NaN", "Infinity": "-Infinity", "-Infinity": "Infinity"}.get(amount, f"-{amount}")

    with pytest.raises(Error, match=r"atoms_are_whole|does not balance"):
        raw_entries(
            (journal, bank, amount, "10500", 2), (journal, chan, opposite.replace("--", ""), "-10500", 2)
        )


@pytest.mark.parametrize("amount", ["0", "-0", "0.00"])
def test_l3_an_entry_that_moves_nothing(book: Book, ids: tuple[int, int], amount: str) -> None:
    bank, chan = ids
    journal = raw_journal(book, 2)

    with pytest.raises(Error, match="ledger_entry_moves_something"):
        raw_entries((journal, bank, amount, "10000", 2), (journal, chan, amount, "-10000", 2))


@pytest.mark.parametrize("amount", ["0.5", "NaN", "Infinity", "1e400"])
def test_l3_the_posting_function_takes_no_such_amount_either(
    book: Book, ids: tuple[int, int], amount: str
) -> None:
    with pytest.raises(Error, match="atoms_are_whole"):
        raw_post(book, ids, [amount, "1"])


@pytest.mark.parametrize(
    ("moved", "turns"),
    [
        pytest.param("{500,-400}", "{1,1}", id="another sum"),
        pytest.param("{500,-500}", "{1,2}", id="another turn"),
        pytest.param("{500,-500}", "{2,2}", id="a turn left out"),
        pytest.param("{500,NULL}", "{1,1}", id="no sum"),
    ],
)
def test_l3_the_posting_function_takes_nobodys_word_for_a_running_balance(
    book: Book, ids: tuple[int, int], moved: str, turns: str
) -> None:
    with pytest.raises(Error, match=r"do not continue the balances|balance_atoms"):
        raw_post(book, ids, ["500", "-500"], moved=moved, turns=turns)


@pytest.mark.parametrize(
    ("accounts", "amounts"),
    [
        pytest.param("{%(bank)s,%(bank)s}", "{500,-500}", id="one account twice"),
        pytest.param("{%(bank)s,%(chan)s,-1}", "{500,-500,1}", id="one that is not there"),
        pytest.param("{%(bank)s,%(chan)s}", "{500,-500,0}", id="an amount too many"),
        pytest.param("{%(bank)s,%(chan)s}", "{500}", id="an amount too few"),
    ],
)
def test_l2_a_single_journal_is_on_accounts_that_exist_once_each(
    book: Book, ids: tuple[int, int], accounts: str, amounts: str
) -> None:
    with pytest.raises(Error, match=r"once each|come whole|amount_atoms|ledger_entry_moves_something"):
        sql(
            "SELECT ledger_post_one(true, %s, now(), %s, 'raw', '\\x00', 'psql', 'transfer', %s, '', '', NULL, NULL,"
            " %s::bigint[], %s::numeric[])",
            book.pk,
            str(uuid7()),
            DAY,
            accounts % {"bank": ids[0], "chan": ids[1]},
            amounts,
        )


def test_l2_the_posting_function_books_no_journal_without_entries(book: Book) -> None:
    with pytest.raises(Error, match="ledger_journal_has_entries"):
        raw_post(book, [], [])


@pytest.mark.parametrize("amount", [pytest.param(-10001, id="more"), pytest.param(500, id="the same way")])
def test_l4_a_reversal_that_is_not_the_opposite(book: Book, ids: tuple[int, int], amount: int) -> None:
    bank, chan = ids
    posting.post(book, cash_in("d9", CHAN, "500.00"), actor="ops")
    original = Journal.objects.get(idempotency_key="d1")
    journal = raw_journal(book, 2, reversal_of_id=original.pk)

    with pytest.raises(Error, match=f"is not the exact opposite of journal {original.pk}"):
        raw_entries(
            (journal, bank, str(amount), str(60000 + amount), 3),
            (journal, chan, str(-amount), str(-60000 - amount), 3),
        )


def test_l4_a_reversal_on_accounts_of_no_concern(book: Book, ids: tuple[int, int]) -> None:
    bank, _chan = ids
    posting.post(book, cash_in("d9", LEE, "500.00"), actor="ops")
    original = Journal.objects.get(idempotency_key="d1")
    journal = raw_journal(book, 2, reversal_of_id=original.pk)

    with pytest.raises(Error, match="is not the exact opposite"):
        raw_entries(
            (journal, bank, "-100", "59900", 3),
            (journal, account_id(book, cash(LEE)), "100", "-49900", 2),
        )


def test_l4_a_journal_reversed_twice_in_parts(book: Book, ids: tuple[int, int]) -> None:
    bank, chan = ids
    posting.post(book, cash_in("d9", CHAN, "500.00"), actor="ops")
    original = Journal.objects.get(idempotency_key="d1")
    part = [debit(BANK, Decimal("60.00")), credit(cash(CHAN), Decimal("60.00"))]
    posting.reverse(original, key="r1", actor="ops", reason="Paid in by mistake", part=part)
    journal = raw_journal(book, 2, reversal_of_id=original.pk)

    with pytest.raises(Error, match=f"journal {original.pk} was reversed already"):
        raw_entries((journal, bank, "-4001", "49999", 4), (journal, chan, "4001", "-49999", 4))


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_journal", "core_event"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE", "DELETE FROM {} WHERE false"],
)
def test_l5_history_changed_deleted_or_truncated(
    book: Book, ids: tuple[int, int], table: str, statement: str
) -> None:
    column = "version" if table == "ledger_entry" else "id"

    with pytest.raises(Error, match=f"{table} is append-only"):
        sql(statement.format(table, column, column))


def test_l5_history_changed_through_the_models(book: Book, ids: tuple[int, int]) -> None:
    entry = Entry.objects.first()
    assert entry is not None
    entry.amount_atoms = 1
    for change in (entry.save, entry.delete, Entry.objects.all().delete):
        with pytest.raises(Error, match="append-only"), transaction.atomic():
            change()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_asset SET scale = 3 WHERE code = 'HKD'",
        "UPDATE ledger_asset SET code = 'HKX' WHERE code = 'HKD'",
        "UPDATE ledger_asset SET kind = 'stablecoin', is_located = true WHERE code = 'HKD'",
        "UPDATE ledger_location SET code = 'ATTIC' WHERE code = 'BANK'",
        "UPDATE ledger_account SET owner = 'H0002' WHERE owner = 'H0001'",
        "UPDATE ledger_account SET role = 'fee_income' WHERE owner = 'H0001'",
        "UPDATE ledger_account SET asset_id = asset_id + 1 WHERE owner = 'H0001'",
        "UPDATE ledger_account SET location_id = NULL WHERE role = 'nostro'",
    ],
)
def test_l6_identity_changed(book: Book, ids: tuple[int, int], statement: str) -> None:
    with pytest.raises(Error, match="never changes"):
        sql(statement)


def test_l6_a_second_account_of_the_same_key(book: Book, ids: tuple[int, int]) -> None:
    with pytest.raises(Error, match="ledger_account_key_once"):
        sql(
            'INSERT INTO ledger_account (book_id, owner, role, asset_id, location_id, "freeze")'
            ' SELECT book_id, owner, role, asset_id, location_id, "freeze" FROM ledger_account WHERE id = %s',
            ids[1],
        )


def test_l6_bitcoin_booked_nowhere(book: Book) -> None:
    with pytest.raises(Error, match="needs a location"):
        sql(
            'INSERT INTO ledger_account (book_id, owner, role, asset_id, "freeze")'
            " VALUES (%s, %s, %s, %s, %s)",
            book.pk,
            CHAN,
            "client_collateral",
            Asset.objects.get(code="BTC").pk,
            "none",
        )


@pytest.mark.parametrize(
    "values",
    [("coin", "virtual_asset", 19, True), ("cash", "fiat", 2, True), ("share", "security", 0, False)],
)
def test_l6_an_asset_of_no_possible_shape(book: Book, values: tuple[object, ...]) -> None:
    with pytest.raises(Error, match=r"ledger_asset_(scale_in_range|money_has_no_location)"):
        sql(
            "INSERT INTO ledger_asset (code, name, kind, scale, is_located, standard_code)"
            " VALUES (%s, '', %s, %s, %s, '')",
            *values,
        )


@pytest.mark.parametrize(
    ("freeze", "amount"), [("debit", 500), ("credit", -500), ("all", 500), ("all", -500)]
)
def test_l7_a_frozen_account_moved(book: Book, ids: tuple[int, int], freeze: str, amount: int) -> None:
    bank, chan = ids
    sql('UPDATE ledger_account SET "freeze" = %s WHERE id = %s', freeze, chan)
    journal = raw_journal(book, 2)

    with pytest.raises(Error, match=f"is frozen \\({freeze}\\)"):
        raw_entries(
            (journal, chan, str(amount), str(-10000 + amount), 2),
            (journal, bank, str(-amount), str(10000 - amount), 2),
        )


def test_l8_an_event_that_names_another_transaction(book: Book) -> None:
    with pytest.raises(Error, match="carries the transaction that writes it"):
        sql(
            "INSERT INTO core_event (topic, broker_code, subject_type, subject_id, actor, reason, payload,"
            " occurred_at, transaction) VALUES ('a', '', '', '', '', '', '{}', now(), '3')"
        )


def test_l9_a_reply_that_was_given_stays_the_reply(db: None) -> None:
    sql(
        "INSERT INTO core_command (scope, key, route, body, body_hash, received_at, response_status,"
        " response_body) VALUES ('api', 'k1', 'POST /x', '{}', 'h', now(), 201, '{}')"
    )
    for statement in (
        "UPDATE core_command SET response_status = 500",
        "UPDATE core_command SET response_body = '[]'",
        "DELETE FROM core_command",
        "TRUNCATE core_command",
    ):
        with pytest.raises(Error, match=r"already answered|append-only"), transaction.atomic():
            sql(statement)
