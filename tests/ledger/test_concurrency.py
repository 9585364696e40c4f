"""Many hands in one book: nothing is lost, nothing is made, nobody waits for ever."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from ledger import audit, balances, freezes, posting
from ledger.models import Account, Balance, Book, Entry
from ledger.posting import AccountFrozen, InsufficientBalance

from .books import BANK, account_id, cash, cash_in, cash_out, custody, move, pledge, sql

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = [f"H000{n}" for n in range(6)]


def in_thread(work: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        try:
            return work(*arguments)
        finally:
            connection.close()

    return run


def test_overlapping_batches_in_opposite_orders_never_deadlock(book: Book) -> None:
    posting.post_batch(book, [cash_in(f"d{c}", c, "100000.00") for c in CLIENTS], actor="ops")
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = sql(deadlocks)

    def write(seed: int) -> None:
        dice = random.Random(seed)
        for n in range(25):
            clients = dice.sample(CLIENTS, len(CLIENTS))
            pairs = list(pairwise(clients))
            posting.post_batch(
                book,
                [move(f"t{seed}.{n}.{m}", cash(a), cash(b), "0.01") for m, (a, b) in enumerate(pairs)],
                actor="ops",
            )

    started = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(in_thread(write), range(6)))

    # A deadlock would cost a second each before PostgreSQL looks for it, and is counted.
    assert time.monotonic() - started < 20
    assert sql(deadlocks) == before
    assert Entry.objects.count() == 12 + 6 * 25 * 5 * 2


def test_accounts_named_first_by_many_at_once_are_opened_once(book: Book) -> None:
    newcomers = [f"N{n}" for n in range(30)]

    def write(seed: int) -> None:
        clients = random.Random(seed).sample(newcomers, len(newcomers))
        posting.post_batch(book, [cash_in(f"d{seed}.{c}", c, "1.00") for c in clients], actor="ops")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(in_thread(write), range(6)))

    assert Account.objects.count() == Balance.objects.count() == 31
    assert balances.holding(book, BANK) == Decimal("180.00")
    assert audit.run().findings == ()


def test_of_many_withdrawals_at_once_only_what_is_there_leaves(book: Book) -> None:
    posting.post(book, cash_in("d1", CLIENTS[0], "10.00"), actor="ops")

    def withdraw(n: int) -> str:
        try:
            posting.post(book, cash_out(f"w{n}", CLIENTS[0], "3.00"), actor="ops")
        except InsufficientBalance as refusal:
            return refusal.reason
        return "paid"

    with ThreadPoolExecutor(10) as pool:
        outcomes = sorted(pool.map(in_thread(withdraw), range(10)))

    assert outcomes == ["insufficient_balance"] * 7 + ["paid"] * 3
    assert balances.holding(book, cash(CLIENTS[0])) == Decimal("1.00")


def test_a_freeze_waits_for_the_posting_under_way_and_stops_the_next(book: Book) -> None:
    client = CLIENTS[0]
    posting.post(book, cash_in("d1", client, "10.00"), actor="ops")
    account = Account.objects.get(pk=account_id(book, cash(client)))

    @in_thread
    def freeze() -> None:
        freezes.set_freeze(account=account, mode="all", actor="lam", reason="Court order 7/22")

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            posting.post(book, cash_out("w1", client, "1.00"), actor="ops")
            freezing = pool.submit(freeze)
            time.sleep(0.3)
            assert not freezing.done()
        freezing.result()

    with pytest.raises(AccountFrozen):
        posting.post(book, cash_out("w2", client, "1.00"), actor="ops")
    assert balances.holding(book, cash(client)) == Decimal("9.00")


@pytest.mark.parametrize(("attempts", "outcome"), [(1, "40001"), (3, "paid")])
def test_a_lost_serialisation_is_tried_again_with_the_same_key(
    book: Book, monkeypatch: pytest.MonkeyPatch, attempts: int, outcome: str
) -> None:
    """Under a stricter isolation than the default, who waited for a balance is refused by PostgreSQL."""
    monkeypatch.setattr(posting, "ATTEMPTS_MAX", attempts)
    posting.post(book, cash_in("d1", CLIENTS[0], "10.00"), actor="ops")

    @in_thread
    def withdraw() -> str:
        sql("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        try:
            posting.post(book, cash_out("w1", CLIENTS[0], "1.00"), actor="ops")
        except OperationalError as error:
            return str(error.__cause__.sqlstate)  # type: ignore[union-attr]
        return "paid"

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            posting.post(book, cash_out("w2", CLIENTS[0], "1.00"), actor="ops")
            withdrawing = pool.submit(withdraw)
            time.sleep(0.3)
        assert withdrawing.result() == outcome


def test_what_was_not_committed_was_never_posted(book: Book) -> None:
    @transaction.atomic
    def broken_off() -> None:
        requests = [cash_in("d1", CLIENTS[0], "10.00"), pledge("p1", CLIENTS[0], "1")]
        posting.post_batch(book, requests, actor="ops")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()

    assert sql("SELECT count(*) FROM ledger_journal") == [(0,)]
    assert sql("SELECT count(*) FROM core_event WHERE topic LIKE 'ledger.%'") == [(0,)]
    assert not Account.objects.filter(role="custody").exists()
    assert balances.holding(book, custody()) == 0
