"""Who may do what to the books: each login is refused by PostgreSQL whatever it tries beyond its role."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal as D
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ledger import audit, closing, freezes, holds, posting, tasks
from ledger.accounts import resolve
from ledger.balances import holding
from ledger.core import clock
from ledger.models import Account, Balance, Book, Journal, Role
from ledger.posting import InsufficientBalance, Posted, Refused, credit, debit

from .books import BANK, CAPITAL, account_id, cash, cash_in, cash_out, move, sql
from .controls.accounts import changed, limited
from .logins import (
    ANALYST,
    GROUPS,
    NOTARY,
    SUPERUSER,
    TELLER,
    WEB,
    application_as,
    connect,
    make_logins,
    url_of,
    wait_for_their_end,
)

pytestmark = pytest.mark.django_db(transaction=True)

CHAN, LEE = "H0001", "H0002"
INNER_CALLS = [
    "SELECT ledger_move_held('{}', '{}', '{}')",
    "SELECT ledger_post_holds('{}')",
    "SELECT ledger_guard_partition('ledger_journal', 'ledger_entry')",
    "SELECT ledger_check_reversals('{}')",
]
PURE_CALLS = [
    "SELECT ledger_accounts_of('{}', '{}', 1, 1)",
    "SELECT ledger_first_id(current_date)",
    "SELECT ledger_bounds_of_role('nostro')",
    "SELECT * FROM ledger_as_of('{}', current_date, NULL)",
]


def empty_call(name: str) -> str:
    """A call of a posting function with a batch of nothing, whatever parameters it has."""
    ((names, types),) = sql(
        "SELECT proargnames::text[], proargtypes::regtype[]::text[] FROM pg_proc WHERE proname = %s", name
    )
    values = {"p_from": "1", "p_to": "0", "p_book": "1", "p_booked_at": "now()"}
    values |= {"p_keep": "true", "p_is_eager": "true"}
    given = [
        f"{parameter} => {values.get(parameter, repr('{}' if kind.endswith('[]') else 'psql'))}::{kind}"
        for parameter, kind in zip(names, types, strict=False)
    ]
    return f"SELECT * FROM {name}({', '.join(given)})"


@pytest.fixture
def books(book: Book) -> Iterator[Book]:
    """Ms Chan has a hundred dollars at Harbour Securities, and the roles stand."""
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    make_logins()
    yield book
    wait_for_their_end()


def partitions() -> tuple[str, str]:
    """The months that hold what was booked just now."""
    ((journals, entries),) = sql(
        "SELECT (SELECT tableoid::regclass::text FROM ledger_journal LIMIT 1),"
        " (SELECT tableoid::regclass::text FROM ledger_entry LIMIT 1)"
    )
    return journals, entries


def what_nobody_may() -> list[str]:
    """Every way round the law that a login could try."""
    journals, entries = partitions()
    statements = []
    for table in ("ledger_journal", "ledger_entry", "ledger_key", journals, entries):
        column = {"ledger_key": "key", "ledger_journal": "id", journals: "id"}.get(table, "account_id")
        statements += [
            f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {table}",
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"ALTER TABLE {table} DISABLE TRIGGER USER",
            f"ALTER TABLE {table} RENAME TO mine",
            f"DROP TABLE {table}",
            f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        ]
    statements += [
        "UPDATE ledger_balance SET net_atoms = 0",
        "UPDATE ledger_balance SET held_credit_atoms = 0",
        "INSERT INTO ledger_balance (account_id) VALUES (1)",
        "DELETE FROM ledger_balance",
        "DELETE FROM ledger_account",
        "INSERT INTO ledger_block (book_id) VALUES (1)",
        "DELETE FROM ledger_block",
        "TRUNCATE ledger_balance_day",
        "INSERT INTO ledger_period_balance VALUES (1, 1, 1, 1)",
        "INSERT INTO ledger_account (book_id, owner, role, asset_id) VALUES (1, '', 'nostro', 1)",
        "ALTER TABLE ledger_balance DROP CONSTRAINT ledger_balance_within_bounds",
        "SET session_replication_role = replica",
        "SET ROLE lombard",
        "SET ROLE postgres",
        "GRANT lombard TO CURRENT_USER",
        "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION ledger_entry_law() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DROP FUNCTION ledger_entry_law() CASCADE",
        "ALTER FUNCTION ledger_post_holds(uuid[]) SECURITY DEFINER",
        *INNER_CALLS,
    ]
    return statements


def let_through(login: str, statements: list[str]) -> list[str]:
    """What of `statements` was not refused for want of a right."""
    passed = []
    with connect(login) as opened:
        for statement in statements:
            try:
                with opened.transaction(force_rollback=True):
                    opened.execute(statement)
                passed.append(statement)
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error as error:
                passed.append(f"{statement}: {error}")
    return passed


@pytest.mark.parametrize("login", GROUPS)
def test_l27_no_login_gets_round_the_law(books: Book, login: str) -> None:
    assert let_through(login, what_nobody_may()) == []
    assert holding(books, cash(CHAN)) == 100
    assert audit.run().findings == ()


def test_l27_the_superuser_is_refused_none_of_it(books: Book) -> None:
    """So what is refused above is refused for want of a right, and not because the statement is wrong."""
    statements = what_nobody_may()

    assert len(let_through(SUPERUSER, statements)) == len(statements)


def test_l28_the_poster_calls_the_posting_functions_and_nothing_else(books: Book) -> None:
    reads = [
        f"SELECT * FROM {table} LIMIT 1"
        for table in ("ledger_journal", "ledger_account", "core_event", "auth_user")
    ]
    assert let_through(TELLER, reads + PURE_CALLS) == []

    with connect(TELLER) as teller:
        assert teller.execute(empty_call("ledger_post")).fetchall() == []
        assert len(teller.execute(empty_call("ledger_post_each")).fetchall()) == 0
        teller.execute("SELECT ledger_keep_refusal(%s, 'k', '\\x00', '{\"state\": \"LB005\"}')", [books.pk])
        assert teller.execute("SELECT ledger_ensure_partitions(current_date, current_date)").fetchone() == (
            0,
        )
        teller.execute(
            "SELECT ledger_open_accounts(%s, '{H0009}', '{client_cash}', '{HKD}', '{\"\"}', '{0}')",
            [books.pk],
        )
        with pytest.raises(psycopg.errors.CheckViolation, match="no account of role petty_cash"):
            teller.execute(
                "SELECT ledger_open_accounts(%s, '{H0009}', '{petty_cash}', '{HKD}', '{\"\"}', '{0}')",
                [books.pk],
            )
    assert Account.objects.get(owner="H0009").balance.ceiling_atoms == 0


def test_l28_reader_and_sealer_read_the_ledger_and_a_month_made_later_and_no_other_room(books: Book) -> None:
    with connect(TELLER) as teller:
        teller.execute("SELECT ledger_ensure_partitions('2031-01-01', '2031-01-01')")
    for login in (ANALYST, NOTARY):
        with connect(login) as opened:
            assert opened.execute("SELECT count(*) FROM ledger_journal").fetchone() == (1,)
            assert opened.execute("SELECT count(*) FROM ledger_entry WHERE id > 0").fetchone() == (2,)
            opened.execute("SELECT FROM ledger_journal WHERE id >= '01c00000-0000-7000-8000-000000000000'")
            opened.execute("SELECT FROM ledger_balance, ledger_account, ledger_key, ledger_hold, core_event")
            for call in PURE_CALLS:
                opened.execute(call)
        calls = [
            empty_call("ledger_post"),
            empty_call("ledger_post_each"),
            "SELECT ledger_ensure_partitions(current_date, current_date)",
            "SELECT ledger_open_accounts(1, '{}', '{}', '{}', '{}', '{}')",
            "SELECT password FROM auth_user",
            "UPDATE ledger_account SET closed_at = NULL",
            "UPDATE core_event SET topic = 'forged'",
        ]
        assert let_through(login, calls) == []
    seal = "SELECT number FROM ledger_seal(now(), 100)"
    assert let_through(ANALYST, [seal, "INSERT INTO core_event (topic) VALUES ('forged')"]) == []
    with application_as(NOTARY):
        assert tasks.seal_books() == 1
    assert audit.run().findings == ()


def test_l28_the_application_posts_in_every_way_and_opens_accounts(books: Book) -> None:
    with application_as(WEB):
        assert sql("SELECT current_user") == [(WEB,)]
        assert posting.post(books, cash_in("d2", LEE, "40.00"), actor="ops").is_replay is False
        batch = [move(f"m{n}", cash(LEE), cash(f"H01{n}"), "1.00") for n in range(5)]
        first = posting.post_batch(books, batch, actor="ops")
        assert [r.journal_id for r in posting.post_batch(books, batch, actor="ops")] == [
            r.journal_id for r in first
        ]
        each = posting.post_each(
            books,
            [cash_out("w1", LEE, "30.00"), cash_out("w2", LEE, "30.00"), cash_in("d3", "H0003", "1.00")],
            actor="ops",
        )
        assert [type(result) for result in each] == [Posted, Refused, Posted]
        deposit = Journal.objects.get(idempotency_key="d2")
        posting.reverse(
            deposit,
            key="r1",
            actor="ops",
            reason="Part",
            part=[debit(BANK, D("1")), credit(cash(LEE), D("1"))],
        )
        with pytest.raises(InsufficientBalance):
            posting.post(books, cash_out("w3", CHAN, "100.01"), actor="ops")
        assert tasks.seal_books() == 1
        assert audit.run().findings == ()


def test_l28_the_application_keeps_what_lies_around_the_books(books: Book) -> None:
    chan = Account.objects.get(pk=account_id(books, cash(CHAN)))
    with application_as(WEB):
        freezes.set_freeze(account=chan, mode="debit", actor="lam", reason="Court order")
        freezes.set_freeze(account=chan, mode="none", actor="lam", reason="Lifted")
        wishes = [holds.HoldRequest(debit=cash(CHAN), credit=BANK, quantity=D(n)) for n in (25, 10)]
        bought, fee = (
            holds.place(books, [wish], key=f"h{n}", actor="lam").holds[0] for n, wish in enumerate(wishes)
        )
        assert Balance.objects.get(pk=chan.pk).held_debit_atoms == 3_500
        holds.post_hold(bought, key="h0.post", actor="lam")
        holds.release(fee, actor="lam", reason="Waived")
        limited(chan, effective_on=clock.today(), ceiling=D("50000.00"), reason="Agreed")
        changed(books, "close", date(2022, 1, 31))
        books.refresh_from_db()
        assert books.closed_through == date(2022, 1, 31)
        posting.post(books, cash_out("w1", CHAN, "75.00"), actor="ops")
        closing.close_account(account=chan, actor="lam", reason="Client left")
        bank = Account.objects.filter(role="nostro")[0]
        freezes.set_freeze(account=bank, mode="credit", actor="lam", reason="Bank in default")
        assert audit.run().findings == ()


def test_l28_accounts_named_first_by_many_at_once_are_opened_once_by_the_application(books: Book) -> None:
    def open_all(_thread: int) -> set[int]:
        try:
            return {
                found.id
                for found in resolve(books, [cash(f"H02{n:02}") for n in range(20)] + [CAPITAL]).values()
            }
        finally:
            connection.close()

    with application_as(WEB), ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(open_all, range(6)))

    assert all(ids == opened[0] for ids in opened)
    assert Account.objects.filter(owner__startswith="H02").count() == 20
    assert audit.run().findings == ()


def test_l29_a_superuser_gets_round_and_the_audit_shows_it(books: Book) -> None:
    with connect(SUPERUSER) as opened:
        opened.execute("SET session_replication_role = replica")
        opened.execute("UPDATE ledger_entry SET amount_atoms = amount_atoms * 2")

    checks = {finding.check for finding in audit.run().findings}
    assert {"ledger.balances_are_sums", "ledger.journals_match_their_hash"} <= checks


@pytest.mark.parametrize(
    ("grant", "message"),
    [
        ("GRANT INSERT ON ledger_entry TO lombard_poster", "may INSERT on ledger_entry"),
        ("GRANT DELETE ON {month} TO harbour_teller", "may DELETE on {month}"),
        (
            "GRANT UPDATE (net_atoms) ON ledger_balance TO lombard_application",
            "may write net_atoms of ledger_balance",
        ),
        ("GRANT lombard TO harbour_teller", "may UPDATE on ledger_balance"),
    ],
)
def test_l29_a_right_given_by_hand_is_found_and_taken_back(books: Book, grant: str, message: str) -> None:
    _journals, month = partitions()
    with connect(SUPERUSER) as opened:
        opened.execute(grant.format(month=month))
        found = {(f.check, f.message) for f in audit.run().findings}
        assert ("ledger.roles_are_narrow", message.format(month=month)) in found
        opened.execute("REVOKE lombard FROM harbour_teller")
        opened.execute(f"REVOKE ALL ON {month} FROM harbour_teller")

    make_logins()
    assert audit.run().findings == ()


def test_the_database_opens_accounts_of_the_roles_of_the_chart_and_of_no_other(db: None) -> None:
    roles = [*Role.values, "petty_cash"]
    told = sql("SELECT role FROM unnest(%s::text[]) AS r(role) WHERE ledger_is_role(role)", roles)
    assert {role for (role,) in told} == set(Role.values)


def test_the_roles_are_printed_and_made_by_the_owner_too_again_and_again(books: Book) -> None:
    printed = StringIO()
    call_command("roles", stdout=printed)
    assert "lombard_poster" in printed.getvalue()

    with pytest.raises(CommandError, match="nothing was changed"):
        call_command("roles", "--apply", "--database-url", url_of(ANALYST))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: make_logins(), range(4)))
    assert let_through(TELLER, ["SELECT * FROM ledger_key"]) == []
