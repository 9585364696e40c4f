"""Damage is planted as the owner of the tables could do it, and the audit names the row."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ledger import audit, posting, tasks
from ledger.core.models import Event
from ledger.models import Account, Book, Entry, Journal

from .books import BANK, account_id, cash, cash_in, cash_out, custody, pledge, pledged, sql, without_law

CHAN, LEE = "H0001", "H0002"


@pytest.fixture
def books(book: Book) -> Book:
    """A few days at Harbour Securities: money in and out, a pledge, a mistake taken back."""
    posting.post_batch(
        book,
        [
            cash_in("d1", CHAN, "100.00"),
            cash_in("d2", LEE, "50.00"),
            cash_out("w1", CHAN, "30.00"),
            pledge("p1", CHAN, "1.5"),
            cash_in("d3", LEE, "7.00"),
        ],
        actor="ops",
    )
    mistake = Journal.objects.get(idempotency_key="d3")
    posting.reverse(mistake, key="r1", actor="lam", reason="Mistake")
    return book


def found(check: str) -> list[tuple[str, str]]:
    """What one check of the ledger found: (subject, message) pairs."""
    return [(f.subject, f.message) for f in audit.run().findings if f.check == f"ledger.{check}"]


def journal(key: str) -> Journal:
    return Journal.objects.get(idempotency_key=key)


@pytest.mark.django_db
def test_books_kept_by_the_law_have_no_findings(books: Book) -> None:
    report = audit.run()

    assert report.findings == ()
    assert {"ledger.stock_record", "ledger.law_is_in_force", "core.law_is_in_force"} <= set(report.checks)


@pytest.mark.django_db
def test_an_amount_altered_by_hand(books: Book) -> None:
    chan = account_id(books, cash(CHAN))
    without_law(f"UPDATE ledger_entry SET amount_atoms = -10001 WHERE account_id = {chan} AND version = 1")

    d1 = f"journal {journal('d1').pk}"
    assert found("journals_balance") == [(d1, "off by -1 atoms of HKD at any location")]
    assert found("balances_are_sums") == [
        (f"account {chan}", "stands at -7000 atoms, version 2; its entries make -7001, version 2")
    ]
    assert found("versions_follow") == [
        (f"account {chan}", "entry of version 1 comes as number 1 and states -10000 atoms where -10001 stand")
    ]
    assert [subject for subject, _message in found("journals_match_their_hash")] == [d1]


@pytest.mark.django_db
def test_an_entry_deleted(books: Book) -> None:
    chan = account_id(books, cash(CHAN))
    without_law(f"DELETE FROM ledger_entry WHERE account_id = {chan} AND version = 1")

    assert found("journals_are_whole") == [(f"journal {journal('d1').pk}", "says 2 entries and has 1")]
    assert found("versions_follow") == [
        (f"account {chan}", "entry of version 2 comes as number 1 and states -7000 atoms where 3000 stand")
    ]


@pytest.mark.django_db
def test_a_journal_without_entries(books: Book) -> None:
    without_law("UPDATE ledger_journal SET entry_count = 3 WHERE idempotency_key = 'w1'")
    sql(
        "INSERT INTO ledger_journal (id, book_id, idempotency_key, body_hash, kind, value_on, booked_at,"
        " actor, cause, narrative, entry_count)"
        " SELECT overlay(id::text placing 'ffff' from 33)::uuid, book_id, 'empty', body_hash, kind, value_on,"
        " booked_at, actor, cause, narrative, 2 FROM ledger_journal WHERE idempotency_key = 'd1'"
    )

    assert sorted(found("journals_are_whole")) == sorted(
        [
            (f"journal {journal('empty').pk}", "says 2 entries and has 0"),
            (f"journal {journal('w1').pk}", "says 3 entries and has 2"),
        ]
    )
    assert found("keys_are_once") == [(f"journal {journal('empty').pk}", "key empty did not make it")]


@pytest.mark.django_db
def test_entries_whose_journal_or_account_is_gone(books: Book) -> None:
    lost = journal("w1").pk
    without_law(f"DELETE FROM ledger_journal WHERE id = '{lost}'")
    entries = Entry.objects.filter(journal_id=lost).order_by("id").values_list("id", flat=True)

    assert sorted(found("entries_belong")) == sorted(
        (f"entry {entry}", f"its journal {lost} does not exist") for entry in entries
    )
    assert found("keys_are_once") == [(f"journal {lost}", "key w1 made it and it does not exist")]


@pytest.mark.django_db
def test_an_account_gone_from_under_its_entries(books: Book) -> None:
    bank = account_id(books, BANK)
    without_law(
        f"DELETE FROM ledger_balance WHERE account_id = {bank}",
        f"DELETE FROM ledger_account WHERE id = {bank}",
    )

    assert len(found("entries_belong")) == 5
    assert all(
        message == f"its account {bank} does not exist" for _subject, message in found("entries_belong")
    )


@pytest.mark.django_db
def test_an_account_moved_to_another_book(books: Book) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Securities")
    vault = account_id(books, custody())
    without_law(f"UPDATE ledger_account SET book_id = {peak.pk} WHERE id = {vault}")

    entry = Entry.objects.get(account_id=vault)
    assert found("entries_belong") == [
        (f"entry {entry.pk}", f"account {vault} is in another book than journal {journal('p1').pk}")
    ]
    assert sorted(found("stock_record")) == [
        ("HARBOUR BTC at VAULT", "0 atoms held and 150000000 owed"),
        ("PEAK BTC at VAULT", "150000000 atoms held and 0 owed"),
    ]


@pytest.mark.django_db
def test_a_balance_moved_by_hand(books: Book) -> None:
    chan = account_id(books, cash(CHAN))
    without_law(f"UPDATE ledger_balance SET net_atoms = -7001 WHERE account_id = {chan}")

    assert found("balances_are_sums") == [
        (f"account {chan}", "stands at -7001 atoms, version 2; its entries make -7000, version 2")
    ]
    assert found("stock_record") == [("HARBOUR HKD at any location", "12000 atoms held and 12001 owed")]


@pytest.mark.django_db
def test_a_version_miscounted(books: Book) -> None:
    chan = account_id(books, cash(CHAN))
    without_law(f"UPDATE ledger_balance SET version = 3 WHERE account_id = {chan}")

    assert found("balances_are_sums") == [
        (f"account {chan}", "stands at -7000 atoms, version 3; its entries make -7000, version 2")
    ]


@pytest.mark.django_db
def test_a_balance_outside_its_bounds(books: Book) -> None:
    chan = account_id(books, cash(CHAN))
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("ALTER TABLE ledger_balance DROP CONSTRAINT ledger_balance_within_bounds")
    without_law(f"UPDATE ledger_balance SET ceiling_atoms = -7001 WHERE account_id = {chan}")

    assert found("balances_within_bounds") == [
        (f"account {chan}", "stands at -7000 atoms, bounds are none to -7001")
    ]
    assert found("law_is_in_force") == [
        ("table ledger_balance", "ledger_balance_within_bounds is missing or switched off")
    ]


@pytest.mark.django_db
def test_coins_that_left_the_vault_without_leaving_the_books(books: Book) -> None:
    vault = account_id(books, custody())
    without_law(f"UPDATE ledger_balance SET net_atoms = 149999999 WHERE account_id = {vault}")

    assert found("stock_record") == [("HARBOUR BTC at VAULT", "149999999 atoms held and 150000000 owed")]


@pytest.mark.django_db
def test_a_reversal_that_is_not_the_opposite(books: Book) -> None:
    bank, lee = account_id(books, BANK), account_id(books, cash(LEE))
    reversal = journal("r1")
    without_law(
        f"UPDATE ledger_entry SET amount_atoms = sign(amount_atoms) * 600 WHERE journal_id = '{reversal.pk}'"
    )

    assert found("reversals_are_opposite") == []
    without_law(
        f"UPDATE ledger_entry SET amount_atoms = sign(amount_atoms) * 701 WHERE journal_id = '{reversal.pk}'"
    )

    mistake = f"journal {reversal.reversal_of_id}"
    assert sorted(found("reversals_are_opposite")) == sorted(
        [
            (mistake, f"its reversals moved account {bank} by -701 atoms of 700"),
            (mistake, f"its reversals moved account {lee} by 701 atoms of -700"),
        ]
    )


@pytest.mark.django_db
def test_a_journal_reversed_twice_or_in_another_book(books: Book) -> None:
    mistake, reversal, other = journal("d3"), journal("r1"), journal("w1")
    peak = Book.objects.create(code="PEAK", name="Peak Securities")
    without_law(
        f"UPDATE ledger_journal SET reversal_of_id = '{mistake.pk}' WHERE id = '{other.pk}'",
        f"UPDATE ledger_journal SET book_id = {peak.pk} WHERE id = '{reversal.pk}'",
    )

    bank, chan = account_id(books, BANK), account_id(books, cash(CHAN))
    assert sorted(found("reversals_are_opposite")) == sorted(
        [
            (f"journal {mistake.pk}", f"its reversals moved account {bank} by -3700 atoms of 700"),
            (f"journal {mistake.pk}", f"its reversals moved account {chan}, which it did not"),
            (f"journal {reversal.pk}", "reverses a journal that does not exist in its book"),
        ]
    )


@pytest.mark.django_db
def test_two_accounts_or_two_journals_of_one_key(books: Book) -> None:
    chan, lee = account_id(books, cash(CHAN)), account_id(books, cash(LEE))
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_key_once")
    without_law(
        f"UPDATE ledger_account SET owner = '{CHAN}' WHERE id = {lee}",
        "UPDATE ledger_journal SET idempotency_key = 'd1' WHERE idempotency_key = 'w1'",
    )

    w1 = Journal.objects.get(narrative="", idempotency_key="d1", kind="withdrawal")
    assert found("keys_are_once") == [
        (f"account {min(chan, lee)}", f"has the same key as accounts {min(chan, lee)}, {max(chan, lee)}"),
        (f"journal {w1.pk}", "key d1 did not make it"),
        (f"journal {w1.pk}", "key w1 made it and it does not exist"),
    ]
    assert len(found("law_is_in_force")) == 1


@pytest.mark.django_db
def test_an_account_without_a_balance_and_a_balance_without_an_account(books: Book) -> None:
    chan = account_id(books, cash(CHAN))
    idle = Account.objects.create(book=books, role="suspense", asset=Account.objects.get(pk=chan).asset)
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    [[constraint]] = sql(
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'ledger_balance'::regclass"
    )
    sql(f"ALTER TABLE ledger_balance DROP CONSTRAINT {constraint}")
    without_law(f"DELETE FROM ledger_account WHERE id = {chan}")

    assert sorted(found("accounts_have_a_balance")) == sorted(
        [(f"account {idle.pk}", "it has no balance"), (f"account {chan}", "a balance stands without it")]
    )


@pytest.mark.django_db
def test_bitcoin_booked_nowhere(books: Book) -> None:
    chan = account_id(books, pledged(CHAN))
    without_law(f"UPDATE ledger_account SET location_id = NULL WHERE id = {chan}")

    assert found("accounts_have_a_place") == [(f"account {chan}", "holds BTC and names no location")]


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["kind = 'fee'", "value_on = '2022-05-13'", "cause = 'client:H0009'"])
def test_a_journal_whose_words_were_altered(books: Book, column: str) -> None:
    without_law(f"UPDATE ledger_journal SET {column} WHERE idempotency_key = 'w1'")

    assert found("journals_match_their_hash") == [
        (f"journal {journal('w1').pk}", "its body is not the one its hash was made of")
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "table", "rule"),
    [
        (
            "ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_law",
            "ledger_entry",
            "ledger_entry_law",
        ),
        (
            "ALTER TABLE ledger_entry ENABLE REPLICA TRIGGER ledger_entry_append_only",
            "ledger_entry",
            "ledger_entry_append_only",
        ),
        ("DROP TRIGGER ledger_balance_stays ON ledger_balance", "ledger_balance", "ledger_balance_stays"),
        (
            "ALTER TABLE ledger_balance DROP CONSTRAINT ledger_balance_within_bounds",
            "ledger_balance",
            "ledger_balance_within_bounds",
        ),
    ],
)
def test_law_switched_off(books: Book, statement: str, table: str, rule: str) -> None:
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql(statement)

    assert found("law_is_in_force") == [(f"table {table}", f"{rule} is missing or switched off")]


@pytest.mark.django_db
def test_every_trigger_of_the_law_files_is_looked_for() -> None:
    made = {
        name
        for [name] in sql(
            "SELECT tgname FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgrelid::regclass::text SIMILAR TO '(ledger|core)_%'"
        )
    }

    sql("SET CONSTRAINTS ALL IMMEDIATE")
    for [table] in sql("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"):
        sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    rules = {f.message.split()[0] for f in audit.run().findings if f.check.endswith("law_is_in_force")}

    assert made <= rules


@pytest.fixture
def own_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_checks", dict(audit._checks))
    audit.register("tests.always", lambda: [audit.Finding("tests.always", "loan 7", "is not what it seems")])


@pytest.mark.django_db
def test_a_room_above_registers_a_check_once(books: Book, own_check: None) -> None:
    assert audit.run().findings == (audit.Finding("tests.always", "loan 7", "is not what it seems"),)
    with pytest.raises(ValueError, match=r"already a check tests.always"):
        audit.register("tests.always", list)


@pytest.mark.django_db
def test_the_command_prints_what_it_found_and_fails(books: Book, own_check: None) -> None:
    out = StringIO()

    with pytest.raises(CommandError) as failed:
        call_command("audit", stdout=out)

    assert failed.value.returncode == 1
    assert out.getvalue().splitlines()[0] == "tests.always: loan 7: is not what it seems"


@pytest.mark.django_db
def test_the_command_prints_one_json_object(books: Book) -> None:
    out = StringIO()

    call_command("audit", "--json", stdout=out)

    report = json.loads(out.getvalue())
    assert report["findings"] == []
    assert "ledger.journals_balance" in report["checks"]


@pytest.mark.django_db(transaction=True)
def test_on_its_own_connection_a_run_reads_one_snapshot_and_writes_nothing(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[object, ...]] = []

    def look() -> list[audit.Finding]:
        seen.extend(
            sql("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")
        )
        return []

    monkeypatch.setattr(audit, "_checks", {"tests.settings": look})
    audit.run()

    assert seen == [("repeatable read", "on")]


@pytest.mark.django_db
def test_the_nightly_run_records_that_it_was_done(
    books: Book, own_check: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert tasks.run_audit() == 1

    event = Event.objects.get(topic="ledger.audit.completed")
    assert event.actor == "system"
    assert event.payload["findings_by_check"] == {"tests.always": 1}
    [record] = [r for r in caplog.records if r.getMessage() == "ledger.audit.finding"]
    assert (record.__dict__["check"], record.__dict__["subject"]) == ("tests.always", "loan 7")
