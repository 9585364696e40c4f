"""Callers who come together share a commit, and each gets its own answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, transaction

from ledger import audit, balances, posting
from ledger.coalescing import Coalescer
from ledger.core.errors import KeyReused
from ledger.models import Account, Book, Journal, PostingKey
from ledger.posting import InsufficientBalance, Posted

from .books import cash, cash_in, cash_out, sql

pytestmark = pytest.mark.django_db(transaction=True)
CHAN, LEE = "H0001", "H0002"


@pytest.fixture(scope="module")
def desk() -> Coalescer:
    return Coalescer()


def together(callers: int, call: Callable[[int], Any]) -> list[Any]:
    """Let `callers` threads call at once; what they raised is among what they returned."""
    start = Barrier(callers)

    def run(number: int) -> Any:
        try:
            start.wait()
            return call(number)
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(run, range(callers)))


def test_forty_clients_pay_in_at_once_in_a_few_commits(book: Book, desk: Coalescer) -> None:
    answers = together(
        40, lambda n: desk.post(book, cash_in(f"d{n}", f"H{n:04}", "10.00"), actor=f"teller{n}")
    )

    assert all(isinstance(answer, Posted) and not answer.is_replay for answer in answers)
    assert {str(answer.journal_id) for answer in answers} == {str(j.pk) for j in Journal.objects.all()}
    for number in range(40):
        assert balances.holding(book, cash(f"H{number:04}")) == Decimal("10.00")
        assert Journal.objects.get(idempotency_key=f"d{number}").actor == f"teller{number}"
    assert len(set(Journal.objects.values_list("transaction", flat=True))) < 40
    assert audit.run().findings == ()


def test_one_callers_refusal_is_no_concern_of_the_others(book: Book, desk: Coalescer) -> None:
    desk.post(book, cash_in("d", CHAN, "100.00"), actor="ops")
    answers = together(
        20,
        lambda n: desk.post(
            book,
            cash_in(f"in{n}", LEE, "1.00") if n % 2 else cash_out(f"out{n}", CHAN, "1000.00"),
            actor="ops",
        ),
    )

    assert [type(answer) for answer in answers] == [InsufficientBalance, Posted] * 10
    assert balances.holding(book, cash(CHAN)) == Decimal("100.00")
    assert balances.holding(book, cash(LEE)) == Decimal("10.00")


def test_a_refusal_is_remembered_and_given_again(book: Book, desk: Coalescer) -> None:
    with pytest.raises(InsufficientBalance) as first:
        desk.post(book, cash_out("w", CHAN, "5.00"), actor="ops")
    assert PostingKey.objects.get(key="w").journal_id is None
    assert not Account.objects.filter(owner=CHAN).exists()

    desk.post(book, cash_in("d", CHAN, "100.00"), actor="ops")
    with pytest.raises(InsufficientBalance) as again:
        desk.post(book, cash_out("w", CHAN, "5.00"), actor="ops")
    assert (str(again.value), again.value.details["balance"]) == (
        str(first.value),
        first.value.details["balance"],
    )
    with pytest.raises(KeyReused):
        desk.post(book, cash_out("w", CHAN, "6.00"), actor="ops")


def test_twenty_callers_with_one_key_have_one_effect(book: Book, desk: Coalescer) -> None:
    answers = together(20, lambda _n: desk.post(book, cash_in("d", CHAN, "10.00"), actor="ops"))

    assert len({answer.journal_id for answer in answers}) == 1
    assert sum(not answer.is_replay for answer in answers) == 1
    assert balances.holding(book, cash(CHAN)) == Decimal("10.00")


def test_books_are_kept_apart(book: Book, desk: Coalescer) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Securities")
    together(10, lambda n: desk.post((book, peak)[n % 2], cash_in(f"d{n}", CHAN, f"{n + 1}.00"), actor="ops"))

    assert balances.holding(book, cash(CHAN)) == Decimal("25.00")
    assert balances.holding(peak, cash(CHAN)) == Decimal("30.00")


def test_a_shared_commit_is_no_part_of_a_transaction(book: Book, desk: Coalescer) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="shares its commit"):
        desk.post(book, cash_in("d", CHAN, "1.00"), actor="ops")


def test_a_lane_whose_connection_was_cut_posts_once_on_a_new_one(book: Book, desk: Coalescer) -> None:
    desk.post(book, cash_in("d1", CHAN, "1.00"), actor="ops")
    sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )

    desk.post(book, cash_in("d2", CHAN, "1.00"), actor="ops")

    assert balances.holding(book, cash(CHAN)) == Decimal("2.00")


def test_a_forked_process_gets_lanes_of_its_own(book: Book, desk: Coalescer) -> None:
    desk.post(book, cash_in("d1", CHAN, "1.00"), actor="ops")
    connection.close()
    child = os.fork()
    if child == 0:
        connection.close()
        desk.post(book, cash_in("d2", CHAN, "1.00"), actor="ops")
        os._exit(0)
    _pid, status = os.waitpid(child, 0)

    assert status == 0
    assert balances.holding(book, cash(CHAN)) == Decimal("2.00")


def test_what_is_no_refusal_reaches_every_caller(
    book: Book, desk: Coalescer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise ArithmeticError("a fault of ours")

    monkeypatch.setattr("ledger.coalescing.post_each_for", broken)
    answers = together(3, lambda n: desk.post(book, cash_in(f"d{n}", CHAN, "1.00"), actor="ops"))

    assert [str(answer) for answer in answers] == ["a fault of ours"] * 3
    monkeypatch.undo()
    assert posting.post(book, cash_in("d0", CHAN, "1.00"), actor="ops").is_replay is False
