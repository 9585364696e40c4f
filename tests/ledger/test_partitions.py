"""The months of the books: made ahead, missed aloud, healed by the job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connection

from ledger import audit, posting, tasks
from ledger.balances import holding
from ledger.core.idempotency import Reply, execute_once
from ledger.models import Book
from ledger.refusals import MonthMissing

from .books import cash, cash_in, sql

pytestmark = pytest.mark.django_db(transaction=True)
CHAN = "H0001"


def months() -> list[str]:
    rows = sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ledger_entry'::regclass ORDER BY 1"
    )
    return [name.removeprefix("ledger_entry_") for (name,) in rows]


def take_months_away(which: str) -> None:
    for month in months()[{"all": 0, "future": 1}[which] :]:
        for table in ("ledger_journal", "ledger_entry"):
            sql(f"ALTER TABLE {table} DETACH PARTITION {table}_{month}")
            sql(f"DROP TABLE {table}_{month}")


def test_four_months_are_there_after_the_migrations(book: Book) -> None:
    assert len(months()) == 4
    assert months()[0] == sql("SELECT to_char(now() AT TIME ZONE 'UTC', '\"y\"YYYY\"m\"MM')")[0][0]
    assert tasks.make_partitions() == 0


def test_a_missing_month_stops_posting_aloud_and_the_job_heals_it(book: Book) -> None:
    posting.post_batch(book, [], actor="ops")
    take_months_away("all")
    deposit = cash_in("d1", CHAN, "100.00")

    for post in (
        lambda: posting.post(book, deposit, actor="ops"),
        lambda: posting.post_batch(book, [deposit, cash_in("d2", CHAN, "1.00")], actor="ops"),
        lambda: posting.post_each(book, [deposit], actor="ops"),
    ):
        with pytest.raises(
            MonthMissing, match=r"run the job ledger.tasks.make_partitions or manage.py migrate"
        ):
            post()

    assert tasks.make_partitions() == 4
    # Nothing was remembered under the key, so the same call has its effect now.
    assert posting.post(book, deposit, actor="ops").is_replay is False
    assert holding(book, cash(CHAN)) == 100
    assert audit.run().findings == ()


def test_a_command_that_met_a_missing_month_may_be_sent_again(book: Book) -> None:
    take_months_away("all")

    def deposit() -> Reply:
        def command() -> Reply:
            return Reply(201, str(posting.post(book, cash_in("d1", CHAN, "5.00"), actor="ops").journal_id))

        return execute_once(
            scope="api:harbour",
            key="k1",
            route="deposit",
            body={},
            command=command,
            refuse=lambda refusal: Reply(422, refusal.reason),
        )

    with pytest.raises(MonthMissing):
        deposit()
    tasks.make_partitions()
    assert deposit().status == 201


def test_the_audit_warns_while_no_future_month_is_there_and_a_migration_makes_them(book: Book) -> None:
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    take_months_away("future")

    found = [(f.check, f.subject) for f in audit.run().findings]
    assert found == [
        ("ledger.partitions_are_ahead", "table ledger_journal"),
        ("ledger.partitions_are_ahead", "table ledger_entry"),
    ]
    assert "run the job ledger.tasks.make_partitions" in audit.run().findings[0].message

    call_command("migrate", verbosity=0)
    assert len(months()) == 4
    assert audit.run().findings == ()


def test_many_jobs_at_once_make_each_month_once_with_its_guards(book: Book) -> None:
    take_months_away("all")

    def make(_worker: int) -> int:
        try:
            return tasks.make_partitions()
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(make, range(5))) == [0, 0, 0, 0, 4]
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    assert audit.run().findings == ()
