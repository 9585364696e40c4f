"""Kinds of damage that only the owner of the tables can do: the audit finds each and names the row.

What each check says in words is told in `test_audit.py`; here they are counted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from ledger import audit, holds, posting
from ledger.core.ids import uuid7
from ledger.holds import HoldRequest
from ledger.models import Book, Journal
from ledger.models.account import UNBOUNDED_ROLES

from .books import BANK, account_id, cash, cash_in, cash_out, custody, move, pledge, sql, without_law

CHAN, LEE = "H0001", "H0002"


class Damage(NamedTuple):
    """What is done, and which check names what. Both are formatted with the names of :func:`names`."""

    kind: str
    statement: str
    check: str
    subject: str


ROWS = [
    Damage(
        "amount of an entry altered",
        "UPDATE ledger_entry SET amount_atoms = amount_atoms - 1 WHERE account_id = {chan} AND version = 1",
        "journals_balance",
        "journal {d1}",
    ),
    Damage(
        "amounts of a journal altered so that it balances",
        "UPDATE ledger_entry SET amount_atoms = amount_atoms * 2 WHERE journal_id = '{d1}'",
        "journals_match_their_hash",
        "journal {d1}",
    ),
    Damage(
        "running balance of an entry altered",
        "UPDATE ledger_entry SET balance_atoms = 5 WHERE account_id = {chan} AND version = 1",
        "versions_follow",
        "account {chan}",
    ),
    Damage(
        "version of an entry altered",
        "UPDATE ledger_entry SET version = 9 WHERE account_id = {chan} AND version = 2",
        "versions_follow",
        "account {chan}",
    ),
    Damage(
        "place of an entry altered",
        "UPDATE ledger_entry SET position = 7 WHERE journal_id = '{d1}' AND position = 2",
        "journals_are_whole",
        "journal {d1}",
    ),
    Damage(
        "entry deleted",
        "DELETE FROM ledger_entry WHERE account_id = {chan} AND version = 1",
        "journals_are_whole",
        "journal {d1}",
    ),
    Damage(
        "entries of a journal deleted",
        "DELETE FROM ledger_entry WHERE journal_id = '{p1}'",
        "journals_are_whole",
        "journal {p1}",
    ),
    Damage(
        "entry inserted",
        "INSERT INTO ledger_entry (journal_id, position, account_id, amount_atoms, balance_atoms, version)"
        " VALUES ('{d1}', 3, {lee}, -5, -5005, 9)",
        "journals_are_whole",
        "journal {d1}",
    ),
    Damage(
        "entry moved to another account",
        "UPDATE ledger_entry SET account_id = {lee}, version = 9 WHERE account_id = {chan} AND version = 1",
        "balances_are_sums",
        "account {lee}",
    ),
    Damage(
        "entries of two journals swapped",
        "UPDATE ledger_entry SET journal_id = CASE journal_id WHEN '{d1}' THEN '{d2}'::uuid ELSE '{d1}'::uuid END,"
        " position = position + 2 WHERE journal_id IN ('{d1}', '{d2}')",
        "journals_match_their_hash",
        "journal {d2}",
    ),
    Damage(
        "journal deleted, its entries left",
        "DELETE FROM ledger_journal WHERE id = '{d1}'",
        "keys_are_once",
        "journal {d1}",
    ),
    Damage(
        "journal deleted with its entries",
        "DELETE FROM ledger_entry WHERE journal_id = '{p1}'; DELETE FROM ledger_journal WHERE id = '{p1}'",
        "balances_are_sums",
        "account {vault}",
    ),
    Damage(
        "journal deleted with its entries and its key",
        "DELETE FROM ledger_entry WHERE journal_id = '{p1}'; DELETE FROM ledger_journal WHERE id = '{p1}';"
        " DELETE FROM ledger_key WHERE key = 'p1'",
        "balances_are_sums",
        "account {vault}",
    ),
    Damage(
        "journal inserted without entries",
        "INSERT INTO ledger_journal (id, book_id, idempotency_key, body_hash, kind, value_on, booked_at, actor, cause,"
        " narrative, entry_count) SELECT '{new}', book_id, 'new', body_hash, kind, value_on, booked_at, actor, cause,"
        " narrative, 2 FROM ledger_journal WHERE id = '{d1}'",
        "journals_are_whole",
        "journal {new}",
    ),
    *[
        Damage(
            f"{words} altered",
            f"UPDATE ledger_journal SET {change} WHERE id = '{{d1}}'",
            "journals_match_their_hash",
            "journal {d1}",
        )
        for words, change in (
            ("kind of a journal", "kind = 'fee'"),
            ("cause of a journal", "cause = '陳'"),
            ("value date of a journal", "value_on = value_on - 1"),
            ("hash of a journal", "body_hash = sha256(body_hash)"),
            ("link of a reversal", "reversal_of_id = '{d2}'"),
            ("hold a journal posts", "hold_id = '{h1}'"),
        )
    ],
    Damage(
        "number of entries of a journal altered",
        "UPDATE ledger_journal SET entry_count = 3 WHERE id = '{d1}'",
        "journals_are_whole",
        "journal {d1}",
    ),
    Damage(
        "journal moved to another book",
        "UPDATE ledger_journal SET book_id = {peak} WHERE id = '{d1}'",
        "keys_are_once",
        "journal {d1}",
    ),
    Damage(
        "reversal of more than was booked",
        "UPDATE ledger_journal SET reversal_of_id = '{d3}' WHERE id = '{w1}'",
        "reversals_are_opposite",
        "journal {d3}",
    ),
    Damage(
        "key deleted",
        "DELETE FROM ledger_key WHERE key = 'd1'",
        "keys_are_once",
        "journal {d1}",
    ),
    Damage(
        "key pointed at another journal",
        "UPDATE ledger_key SET journal_id = '{d2}' WHERE key = 'd1'",
        "keys_are_once",
        "journal {d1}",
    ),
    Damage(
        "key of a journal turned into a refusal",
        "UPDATE ledger_key SET journal_id = NULL, body_hash = '', refusal = '{{}}' WHERE key = 'd1'",
        "keys_are_once",
        "journal {d1}",
    ),
    Damage(
        "refusal rewritten into what nobody can read",
        "UPDATE ledger_key SET refusal = '{{}}' WHERE key = 'w9'",
        "refusals_can_be_told",
        "key HARBOUR w9",
    ),
    Damage(
        "balance moved",
        "UPDATE ledger_balance SET net_atoms = net_atoms - 1 WHERE account_id = {chan}",
        "balances_are_sums",
        "account {chan}",
    ),
    Damage(
        "version of a balance moved",
        "UPDATE ledger_balance SET version = version + 1 WHERE account_id = {chan}",
        "balances_are_sums",
        "account {chan}",
    ),
    Damage(
        "what is held of a balance moved",
        "UPDATE ledger_balance SET held_debit_atoms = held_debit_atoms - 1 WHERE account_id = {chan}",
        "holds_are_counted",
        "account {chan}",
    ),
    Damage(
        "bounds drawn past the balance",
        "ALTER TABLE ledger_balance DROP CONSTRAINT ledger_balance_within_bounds;"
        " UPDATE ledger_balance SET ceiling_atoms = -7001 WHERE account_id = {chan}",
        "balances_within_bounds",
        "account {chan}",
    ),
    Damage(
        "balance deleted",
        "DELETE FROM ledger_balance WHERE account_id = {idle}",
        "accounts_have_a_balance",
        "account {idle}",
    ),
    Damage(
        "amount of a hold altered",
        "UPDATE ledger_hold SET amount_atoms = amount_atoms + 1 WHERE id = '{h1}'",
        "holds_are_counted",
        "account {chan}",
    ),
    Damage(
        "what was posted of a hold altered",
        "UPDATE ledger_hold SET posted_atoms = posted_atoms + 1 WHERE id = '{h1}'",
        "holds_are_counted",
        "hold {h1}",
    ),
    Damage(
        "amount and count of a hold altered",
        "UPDATE ledger_hold SET amount_atoms = amount_atoms + 1 WHERE id = '{h1}';"
        " UPDATE ledger_balance SET held_debit_atoms = held_debit_atoms + 1 WHERE account_id = {chan};"
        " UPDATE ledger_balance SET held_credit_atoms = held_credit_atoms + 1 WHERE account_id = {lee}",
        "holds_match_their_hash",
        "group {h1}",
    ),
    Damage(
        "hold moved to another account",
        "UPDATE ledger_hold SET credit_account_id = {bank} WHERE id = '{h1}'",
        "holds_match_their_hash",
        "group {h1}",
    ),
    Damage(
        "hold that says it expired",
        "UPDATE ledger_hold SET state = 'expired', ended_at = now() WHERE id = '{h1}'",
        "holds_are_sound",
        "hold {h1}",
    ),
    Damage(
        "hold ended",
        "UPDATE ledger_hold SET state = 'released', ended_at = now() WHERE id = '{h1}'",
        "holds_are_counted",
        "account {chan}",
    ),
    Damage("hold deleted", "DELETE FROM ledger_hold WHERE id = '{h1}'", "holds_are_counted", "hold {h1}"),
    Damage(
        "account moved to another book",
        "UPDATE ledger_account SET book_id = {peak} WHERE id = {vault}",
        "stock_record",
        "PEAK BTC at VAULT",
    ),
    Damage(
        "account given to another owner",
        "UPDATE ledger_account SET owner = 'H0009' WHERE id = {chan}",
        "journals_match_their_hash",
        "journal {d1}",
    ),
    Damage(
        "account of the key of another",
        "ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_key_once;"
        ' INSERT INTO ledger_account (book_id, owner, role, asset_id, "freeze")'
        ' SELECT book_id, owner, role, asset_id, "freeze" FROM ledger_account WHERE id = {chan}',
        "keys_are_once",
        "account {chan}",
    ),
    Damage(
        "account deleted",
        "ALTER TABLE ledger_balance DROP CONSTRAINT {balance_fk}; DELETE FROM ledger_account WHERE id = {bank}",
        "accounts_have_a_balance",
        "account {bank}",
    ),
    Damage(
        "place of an account altered",
        "UPDATE ledger_account SET location_id = {bank_place} WHERE id = {vault}",
        "journals_match_their_hash",
        "journal {p1}",
    ),
    Damage(
        "place the law groups by altered",
        "UPDATE ledger_account SET stock_location_id = {bank_place} WHERE id = {vault}",
        "accounts_have_a_place",
        "account {vault}",
    ),
    Damage(
        "slot of a client's account altered",
        "UPDATE ledger_account SET slot = 3 WHERE id = {chan}",
        "accounts_have_a_place",
        "account {chan}",
    ),
    Damage(
        "account closed with something on it",
        "UPDATE ledger_account SET closed_at = now() WHERE id = {chan}",
        "closed_accounts_rest",
        "account {chan}",
    ),
    Damage(
        "closed account moved",
        "UPDATE ledger_account SET closed_at = '2020-01-01' WHERE id = {idle}",
        "closed_accounts_rest",
        "account {idle}",
    ),
    Damage(
        "freeze of a balance lifted",
        "UPDATE ledger_balance SET \"freeze\" = 'credit' WHERE account_id = {chan}",
        "balances_follow_accounts",
        "account {chan}",
    ),
    Damage(
        "book of a balance altered",
        "UPDATE ledger_balance SET book_id = {peak} WHERE account_id = {chan}",
        "balances_follow_accounts",
        "account {chan}",
    ),
    Damage(
        "bounds drawn by nobody",
        "UPDATE ledger_balance SET ceiling_atoms = NULL WHERE account_id = {chan}",
        "limits_are_in_force",
        "account {chan}",
    ),
    Damage(
        "period closed by nobody",
        "UPDATE ledger_book SET closed_through = '2022-01-31' WHERE code = 'HARBOUR'",
        "periods_follow",
        "book HARBOUR",
    ),
    Damage(
        "scale of an asset altered",
        "UPDATE ledger_asset SET scale = 4 WHERE code = 'HKD'",
        "journals_match_their_hash",
        "journal {d1}",
    ),
    Damage(
        "asset that lies nowhere any more",
        "ALTER TABLE ledger_asset DROP CONSTRAINT ledger_asset_money_has_no_location;"
        " UPDATE ledger_asset SET is_located = false WHERE code = 'BTC'",
        "accounts_have_a_place",
        "account {vault}",
    ),
]
LAW = [
    Damage(
        "trigger disabled on the parent alone",
        "ALTER TABLE ONLY ledger_entry DISABLE TRIGGER ledger_entry_law",
        "law_is_in_force",
        "table ledger_entry",
    ),
    Damage(
        "month of entries detached",
        "ALTER TABLE ledger_entry DETACH PARTITION {entries}",
        "journals_are_whole",
        "journal {d1}",
    ),
    Damage(
        "trigger disabled on a partition",
        "ALTER TABLE {entries} DISABLE TRIGGER ledger_entry_law",
        "partitions_are_guarded",
        "table {entries}",
    ),
    Damage(
        "trigger of a partition dropped",
        "DROP TRIGGER ledger_journal_append_only ON {journals}",
        "partitions_are_guarded",
        "table {journals}",
    ),
    Damage(
        "index of versions of a partition dropped",
        "DROP INDEX {entries}_version_once",
        "partitions_are_guarded",
        "table {entries}",
    ),
    Damage(
        "trigger that calls another function",
        "CREATE OR REPLACE TRIGGER ledger_balance_stays BEFORE DELETE OR TRUNCATE ON ledger_balance"
        " FOR EACH STATEMENT EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "law_is_in_force",
        "table ledger_balance",
    ),
    Damage(
        "function of the law hollowed out",
        "CREATE OR REPLACE FUNCTION ledger_entry_law() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "law_is_in_force",
        "function ledger_entry_law",
    ),
    Damage(
        "function of the law dropped",
        "DROP FUNCTION ledger_keep_refusal(bigint, text, bytea, jsonb)",
        "law_is_in_force",
        "function ledger_keep_refusal",
    ),
    Damage(
        "constraint dropped",
        "ALTER TABLE ledger_key DROP CONSTRAINT ledger_key_is_answered",
        "law_is_in_force",
        "table ledger_key",
    ),
    Damage(
        "primary key of keys dropped",
        "ALTER TABLE ledger_key DROP CONSTRAINT ledger_key_pkey",
        "law_is_in_force",
        "table ledger_key",
    ),
    Damage(
        "foreign key not enforced",
        "ALTER TABLE ledger_balance ALTER CONSTRAINT {balance_fk} NOT ENFORCED",
        "law_is_in_force",
        "table ledger_balance",
    ),
    Damage(
        "domain of amounts opened",
        "ALTER DOMAIN atoms DROP CONSTRAINT atoms_are_whole",
        "domains_are_in_force",
        "domain atoms",
    ),
    Damage(
        "entries of nothing let in",
        "ALTER DOMAIN ledger_moved_atoms DROP CONSTRAINT ledger_entry_moves_something",
        "domains_are_in_force",
        "domain ledger_moved_atoms",
    ),
    Damage(
        "column taken out of its domain",
        "ALTER TABLE ledger_journal ALTER COLUMN entry_count TYPE smallint",
        "domains_are_in_force",
        "table ledger_journal",
    ),
]


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
