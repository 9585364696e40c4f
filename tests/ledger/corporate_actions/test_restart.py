"""What breaks off half-way is taken up where it ended, and many workers at once do it once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from itertools import count
from threading import Barrier
from typing import Any

import pytest
from django.db import ProgrammingError, connection

from ledger.corporate_actions import bookkeeping
from ledger.corporate_actions.actions import carry_out, progress_of
from ledger.models import Book, CorporateAction, Entitlement, Journal
from ledger.posting import Posted, post_batch
from tests.ledger.books import move, pledge
from tests.ledger.logins import ANALYST, WEB, application_as, make_logins, wait_for_their_end

from .issuers import EX, announced, booked, findings, journals_of, on, shares, stand

RECORD, PAY = date(2026, 4, 8), date(2026, 4, 20)
OWNERS = [f"C{n:03}" for n in range(12)]


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def holders(book: Book, monkeypatch: pytest.MonkeyPatch) -> Book:
    """Twelve clients with 101 to 112 shares each, worked on five at a time."""
    monkeypatch.setattr(bookkeeping, "ROWS_PER_BATCH", 5)
    booked(book, [pledge(f"p{n}", owner, str(101 + n), "00700", "CCASS") for n, owner in enumerate(OWNERS)])
    return book


def dividend() -> CorporateAction:
    return announced(
        kind="cash_dividend", amount="0.125", currency="HKD", record_on=RECORD, pay_on=PAY, reference="d"
    )


def bonus() -> CorporateAction:
    return announced(
        kind="bonus",
        ratio_new=1,
        ratio_old=10,
        fraction_price="7.77",
        currency="HKD",
        record_on=RECORD,
        pay_on=PAY,
        reference="b",
    )


def run_until_killed(action: CorporateAction, call: int) -> None:
    """Carry an action out in a process that dies when it posts for the time `call`."""
    calls = count(1)
    post = bookkeeping.post_batch

    def dying(*arguments: Any, **options: Any) -> Any:
        if next(calls) == call:
            raise Killed
        return post(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bookkeeping, "post_batch", dying)
        with pytest.raises(Killed):
            carry_out(action=action)


@pytest.mark.django_db
@pytest.mark.parametrize("make", [dividend, bonus])
@pytest.mark.parametrize("call", [1, 2, 3, 4, 6])
def test_a_run_that_died_is_taken_up_and_ends_the_same(holders: Book, call: int, make: Any) -> None:
    action = make()
    with on(PAY):
        run_until_killed(action, call)
        assert findings() == []
        progress = progress_of(action)
        assert progress.pending + progress.booked + progress.paid == 13

        assert carry_out(action=action).stage == "completed"

    expected = "13.37" if make is dividend else "5.43"
    assert stand(holders)[f"{OWNERS[6]} client_cash HKD"] == Decimal(expected)
    assert findings() == []
    keys = [journal.idempotency_key for journal in journals_of(action)]
    assert len(keys) == len(set(keys))


@pytest.mark.django_db
def test_a_split_that_died_left_nothing(holders: Book) -> None:
    action = announced(ratio_new=5, ratio_old=1)
    before = stand(holders)

    with on(EX):
        run_until_killed(action, 3)
        assert stand(holders) == before
        assert progress_of(action).accounts == 0

        assert carry_out(action=action).stage == "completed"

    assert stand(holders)["custody 00700 CCASS"] == 5 * before["custody 00700 CCASS"]
    assert findings() == []


@pytest.mark.django_db(transaction=True)
def test_eight_workers_and_a_market_at_once_split_everything_once(holders: Book) -> None:
    """Shares move between clients all the while; the sum is five times what it was, whoever has them."""
    action = announced(ratio_new=5, ratio_old=1)
    at_once = Barrier(8)

    def split(_worker: int) -> str:
        try:
            with on(EX):
                at_once.wait()
                return carry_out(action=action).stage
        finally:
            connection.close()

    def trade(number: int) -> list[Posted]:
        try:
            at_once.wait()
            return [
                posted
                for n in range(15)
                for posted in post_batch(
                    holders,
                    [
                        move(
                            f"t{number}.{n}.{m}",
                            shares(OWNERS[(number + n + m) % 12]),
                            shares(OWNERS[(number * 5 + n) % 11 + 1 - (number + m) % 2]),
                            "1",
                        )
                        for m in range(3)
                        if (number + n + m) % 12 != (number * 5 + n) % 11 + 1 - (number + m) % 2
                    ],
                    actor="desk",
                )
            ]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(split, n) for n in range(4)]
        desks = [pool.submit(trade, n) for n in range(4)]
        stages = {worker.result() for worker in workers}
        traded = sum(len(desk.result()) for desk in desks)

    assert stages == {"completed"}
    assert traded > 0
    after = stand(holders)
    assert after["custody 00700 CCASS"] == 5 * sum(101 + n for n in range(12))
    assert Journal.objects.filter(kind="split").count() == 12
    assert findings() == []


@pytest.mark.django_db(transaction=True)
def test_the_application_carries_actions_out_with_no_more_rights_than_it_has(holders: Book) -> None:
    """Everything is done by the login that serves requests; that of an analyst is refused."""
    split, paid = announced(ratio_new=5, ratio_old=1, reference="s"), dividend()
    make_logins()
    with application_as(WEB):
        with on(EX):
            assert carry_out(action=split).stage == "completed"
        with on(PAY):
            assert carry_out(action=paid).stage == "completed"
    with application_as(ANALYST), pytest.raises(ProgrammingError, match="permission denied"):
        Entitlement.objects.update(held_up_by="me")
    wait_for_their_end()

    assert stand(holders)["custody 00700 CCASS"] == 5 * sum(101 + n for n in range(12))
    assert findings() == []
