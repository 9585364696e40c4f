"""What went wrong in other ledgers, tried at every door of this one, and in months that are not made yet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import Error, connection, transaction

from ledger import audit, posting
from ledger.core.errors import Refusal
from ledger.models import Account, Book, Entry
from ledger.posting import JournalRequest, Leg

from .books import (
    DAY,
    account_id,
    cash,
    cash_in,
    custody,
    move,
    pledge,
    pledged,
    raw_entries,
    raw_journal,
    raw_post,
    sql,
    without_law,
)

pytestmark = pytest.mark.django_db
CHAN = "H0001"
HELD = 10**18
# A value that has no form in Python is refused there; whatever reaches the database is refused by it.
REFUSALS = (Refusal, Error, ValidationError)


@dataclass(frozen=True)
class Vault:
    """Ms Chan has pledged one ETH: the accounts, each at version 1, and the month they were moved in."""

    book: Book
    custody: int
    chan: int
    month: str


@pytest.fixture
def vault(book: Book) -> Vault:
    posting.post(book, pledge("p1", CHAN, "1", "ETH"), actor="ops")
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    [[entries]] = sql("SELECT DISTINCT tableoid::regclass::text FROM ledger_entry")
    return Vault(
        book,
        account_id(book, custody("ETH")),
        account_id(book, pledged(CHAN, "ETH")),
        entries.removeprefix("ledger_entry_"),
    )


def standing() -> tuple[object, ...]:
    """Everything that a refused posting must leave as it was."""
    return (
        sql("SELECT account_id, net_atoms, version FROM ledger_balance ORDER BY 1"),
        sql("SELECT count(*) FROM ledger_entry"),
        sql("SELECT count(*) FROM ledger_key WHERE journal_id IS NOT NULL"),
    )


Door = Callable[[Vault, str, str], object]


def by_posting(vault: Vault, debit: str, credit: str) -> object:
    """The posting service takes units; the atoms are moved eighteen places."""
    legs = [Decimal(debit), Decimal(credit)]
    units = [amount.scaleb(-18) if amount.is_finite() else amount for amount in legs]
    request = JournalRequest(
        "raw", "pledge", (Leg(custody("ETH"), units[0]), Leg(pledged(CHAN, "ETH"), units[1])), DAY
    )
    return posting.post(vault.book, request, actor="ops")


def by_posting_each(vault: Vault, debit: str, credit: str) -> object:
    legs = [Decimal(debit), Decimal(credit)]
    units = [amount.scaleb(-18) if amount.is_finite() else amount for amount in legs]
    request = JournalRequest(
        "raw", "pledge", (Leg(custody("ETH"), units[0]), Leg(pledged(CHAN, "ETH"), units[1])), DAY
    )
    [result] = posting.post_each(vault.book, [request], actor="ops")
    if isinstance(result, posting.Refused):
        raise result.refusal
    return result


def by_models(vault: Vault, debit: str, credit: str) -> object:
    journal = raw_journal(vault.book, 2)
    return Entry.objects.bulk_create(
        [
            Entry(
                journal_id=journal,
                position=position,
                account_id=account,
                amount_atoms=Entry._meta.get_field("amount_atoms").to_python(amount),
                balance_atoms=int(balance),
                version=2,
            )
            for position, (account, amount, balance) in enumerate(
                [(vault.custody, debit, _after(HELD, debit)), (vault.chan, credit, _after(-HELD, credit))],
                start=1,
            )
        ]
    )


def by_function(vault: Vault, debit: str, credit: str) -> object:
    return _call("ledger_post(true, ", vault, debit, credit)


def by_function_each(vault: Vault, debit: str, credit: str) -> object:
    rows = _call("ledger_post_each(true, true, ", vault, debit, credit)
    if rows and rows[0][3] is not None:
        raise Refusal(str(rows[0][3]))
    return rows


def by_raw_entries(vault: Vault, debit: str, credit: str) -> object:
    journal = raw_journal(vault.book, 2)
    return raw_entries(
        (journal, vault.custody, debit, _after(HELD, debit), 2),
        (journal, vault.chan, credit, _after(-HELD, credit), 2),
    )


def by_raw_entries_into_a_month(vault: Vault, debit: str, credit: str) -> object:
    journal = raw_journal(vault.book, 2)
    return sql(
        f"INSERT INTO ledger_entry_{vault.month}"
        " (id, journal_id, position, account_id, amount_atoms, balance_atoms, version) OVERRIDING SYSTEM VALUE"
        " SELECT 1000 + n, %s, n, account, amount::numeric, balance::numeric, 2"
        " FROM unnest(%s::bigint[], %s::text[], %s::text[])"
        " WITH ORDINALITY AS e(account, amount, balance, n)",
        journal,
        [vault.custody, vault.chan],
        [debit, credit],
        [_after(HELD, debit), _after(-HELD, credit)],
    )


def by_copy(vault: Vault, debit: str, credit: str) -> object:
    return _copy("ledger_entry", vault, debit, credit)


def by_copy_into_a_month(vault: Vault, debit: str, credit: str) -> object:
    return _copy(f"ledger_entry_{vault.month}", vault, debit, credit)


def _after(standing: int, amount: str) -> str:
    """The balance that an honest sum would give, where there is one."""
    number = Decimal(amount)
    is_whole = number.is_finite() and number == number.to_integral_value()
    return str(standing + int(number)) if is_whole and number.adjusted() < 38 else str(standing)


def _call(function: str, vault: Vault, debit: str, credit: str) -> list[tuple[object, ...]]:
    return raw_post(vault.book, [vault.custody, vault.chan], [debit, credit], function=function)


def _copy(table: str, vault: Vault, debit: str, credit: str) -> None:
    journal = raw_journal(vault.book, 2)
    columns = "id, journal_id, position, account_id, amount_atoms, balance_atoms, version"
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
    ):
        copy.write_row((1001, journal, 1, vault.custody, debit, _after(HELD, debit), 2))
        copy.write_row((1002, journal, 2, vault.chan, credit, _after(-HELD, credit), 2))


DOORS: list[Door] = [
    by_posting,
    by_posting_each,
    by_models,
    by_function,
    by_function_each,
    by_raw_entries,
    by_raw_entries_into_a_month,
    by_copy,
    by_copy_into_a_month,
]
AMOUNTS = {
    "differing in the eighteenth digit": ("1000000000000000001", "-1000000000000000002"),
    "differing past what a double holds": ("10000000000000000", "-10000000000000001"),
    "half an atom": ("0.5", "-0.5"),
    "an atom and a bit": ("1.0000000000000000001", "-1.0000000000000000001"),
    "not a number": ("NaN", "NaN"),
    "infinite": ("Infinity", "-Infinity"),
    "past every number": ("1e400", "-1e400"),
    "past the books": ("1e38", "-1e38"),
    "less than nothing of nothing": ("-0", "0"),
}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_plain_amount_passes_so_the_refusals_below_mean_something(vault: Vault, door: Door) -> None:
    door(vault, "500000000000000001", "-500000000000000001")

    assert sql("SELECT net_atoms FROM ledger_balance WHERE account_id = %s", vault.chan) == [
        (Decimal(-1_500_000_000_000_000_001),)
    ]


@pytest.mark.parametrize("amounts", AMOUNTS.values(), ids=AMOUNTS)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_what_is_no_exact_amount_passes_no_door(vault: Vault, door: Door, amounts: tuple[str, str]) -> None:
    before = standing()

    with pytest.raises(REFUSALS), transaction.atomic():
        door(vault, *amounts)

    assert standing() == before


@pytest.mark.parametrize("spend", ["1000000000000000001", "1.5e38"])
def test_nobody_spends_a_last_digit_that_is_not_there(vault: Vault, spend: str) -> None:
    """A double cannot tell 1.000000000000000001 from 1."""
    before = standing()
    for door in DOORS:
        with pytest.raises(REFUSALS), transaction.atomic():
            door(vault, f"-{spend}", spend)

    assert standing() == before


def test_entries_of_another_book_straight_into_a_month(vault: Vault) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Securities")
    with pytest.raises(Error, match="and in its book"):
        by_raw_entries_into_a_month(Vault(peak, vault.custody, vault.chan, vault.month), "5", "-5")


def test_a_journal_given_its_entries_in_a_later_transaction(vault: Vault) -> None:
    journal = raw_journal(vault.book, 2)
    without_law(f"UPDATE ledger_journal SET transaction = '3'::xid8 WHERE id = '{journal}'")
    before = standing()

    for table in ("ledger_entry", f"ledger_entry_{vault.month}"):
        with pytest.raises(Error, match="must come whole, once, with their journal"), transaction.atomic():
            sql(
                f"INSERT INTO {table} (id, journal_id, position, account_id, amount_atoms, balance_atoms, version)"
                " OVERRIDING SYSTEM VALUE VALUES (1001, %s, 1, %s, 5, %s, 2), (1002, %s, 2, %s, -5, %s, 2)",
                *(journal, vault.custody, HELD + 5, journal, vault.chan, -HELD - 5),
            )

    assert standing() == before


@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.parametrize(("parent", "column"), [("ledger_entry", "amount_atoms"), ("ledger_journal", "kind")])
def test_history_changed_in_its_month(vault: Vault, parent: str, column: str, statement: str) -> None:
    table = f"{parent}_{vault.month}"
    before = standing()

    with pytest.raises(Error, match=f"{table} is append-only"), transaction.atomic():
        sql(statement.format(table, column, column))

    assert standing() == before


def test_a_month_made_ahead_has_the_whole_law(vault: Vault) -> None:
    assert sql("SELECT ledger_ensure_partitions('2031-01-01', '2031-01-01')") == [(4,)]
    assert sql("SELECT ledger_ensure_partitions('2031-01-01', '2031-01-01')") == [(0,)]

    guards = "SELECT tgname, tgfoid, tgtype FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal ORDER BY 1"
    for table in ("ledger_entry", "ledger_journal"):
        assert sql(guards, f"{table}_y2031m01") == sql(guards, table)
        assert len(sql(guards, table)) >= 2
    assert sql(
        "SELECT indisunique FROM pg_index WHERE indexrelid = 'ledger_entry_y2031m01_version_once'::regclass"
    ) == [(True,)]
    assert audit.run().findings == ()


def test_what_is_wrong_is_refused_in_a_month_made_ahead_too(vault: Vault) -> None:
    sql("SELECT ledger_ensure_partitions('2031-01-01', '2031-01-01')")
    [[first]] = sql("SELECT ledger_first_id('2031-01-01')")

    def book_in_2031(amounts: tuple[int, int], versions: tuple[int, int], number: int) -> None:
        journal = raw_journal(vault.book, 2, id=UUID(int=first.int + number))
        raw_entries(
            (journal, vault.custody, str(amounts[0]), str(HELD + amounts[0]), versions[0]),
            (journal, vault.chan, str(amounts[1]), str(-HELD + amounts[1]), versions[1]),
        )

    for amounts, versions in (((5, -4), (2, 2)), ((5, -5), (1, 2)), ((-5, 5), (1, 1)), ((5, -5), (3, 2))):
        with pytest.raises(Error, match=r"does not balance|do not continue"), transaction.atomic():
            book_in_2031(amounts, versions, 7)
    book_in_2031((5, -5), (2, 2), 8)

    assert sql("SELECT count(*) FROM ledger_entry_y2031m01") == [(2,)]
    with pytest.raises(Error, match="ledger_entry_y2031m01 is append-only"):
        sql("DELETE FROM ledger_entry_y2031m01")


def test_a_journal_of_a_month_nobody_made_is_refused(vault: Vault) -> None:
    with pytest.raises(Error, match="no partition of relation"):
        raw_journal(
            vault.book, 2, id=UUID(int=(int(date(2044, 1, 1).strftime("%Y")) * 365 * 86_400_000) << 80)
        )


def test_every_number_of_a_row_passes_two_to_the_thirty_first(book: Book) -> None:
    past = 2**31 + 5
    for table in ("ledger_account", "ledger_asset", "ledger_book", "ledger_location", "ledger_entry"):
        sql(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {past}")
    peak = Book.objects.create(code="PEAK", name="Peak Securities")

    posted = posting.post(peak, cash_in("d1", CHAN, "10.00"), actor="ops")
    results = posting.post_each(
        peak, [move("t1", cash("H0002"), cash(CHAN), "1.00"), cash_in("d2", "H0002", "4.00")], actor="ops"
    )

    assert isinstance(results[1], posting.Posted)
    assert peak.pk >= past
    assert min(Account.objects.filter(book=peak).values_list("pk", flat=True)) >= past
    assert min(Entry.objects.filter(journal_id=posted.journal_id).values_list("pk", flat=True)) >= past
    assert (
        sql(
            "SELECT data_type FROM information_schema.columns WHERE table_name LIKE 'ledger\\_%%'"
            " AND column_name ~ '^(id|version|account_id|journal_id|book_id)$' AND data_type IN ('integer', 'smallint')"
        )
        == []
    )
    with suppress(Refusal):
        posting.post(peak, move("t2", cash(CHAN), cash("H0003"), "99.00"), actor="ops")
    assert audit.run().findings == ()
