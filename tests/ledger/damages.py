"""Damage that only the owner of the tables can do: to rows, and to the law itself. See `test_damage.py`."""

from __future__ import annotations

from typing import NamedTuple


class Damage(NamedTuple):
    """What is done, and which check names what. Both are formatted with the names of the story."""

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
