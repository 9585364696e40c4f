"""Many hands on one hold: it is posted once, and nothing is promised twice."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from ledger import audit, balances, freezes, holds, posting
from ledger.core import clock
from ledger.core.errors import Refusal
from ledger.models import Account, Book, Hold, Journal
from ledger.posting import AccountFrozen, HoldNotOpen, InsufficientBalance
from tests.ledger.books import BANK, DAY, account_id, cash, cash_out, custody, pledged, sql
from tests.ledger.test_concurrency import in_thread

from .reserved import CHAN, LEE, deliver, held, one, opened, pay, place, told

pytestmark = pytest.mark.django_db(transaction=True)
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.fixture
def chan(book: Book) -> Book:
    opened(book)
    return book


def outcome(work: Any) -> str:
    """Say how a command went: "done", "known", or the code of its refusal."""
    try:
        result = work()
    except Refusal as refusal:
        return refusal.reason
    return "known" if getattr(result, "is_replay", False) else "done"


def at_once(works: list[Any], hands: int = 20) -> list[str]:
    with ThreadPoolExecutor(hands) as pool:
        return sorted(pool.map(in_thread(outcome), works))


def test_twenty_threads_post_the_same_hold_once(chan: Book) -> None:
    hold = one(chan, "40.00")

    outcomes = at_once([lambda n=n: holds.post_hold(hold, key=f"s{n}", actor=f"hand{n}") for n in range(20)])

    assert outcomes == ["done"] + ["hold_not_open"] * 19
    assert Journal.objects.filter(hold=hold).count() == 1
    assert balances.holding(chan, cash(CHAN)) == Decimal("60.00")
    assert told(hold) == ("posted", 4000)
    assert audit.run().findings == ()


def test_twenty_threads_with_one_key_post_once_and_have_one_answer(chan: Book) -> None:
    hold = one(chan, "40.00")
    answers = set()

    def post() -> Any:
        done = holds.post_hold(hold, quantity=Decimal("5.00"), key="s1", actor="ops")
        answers.add(done.journal_ids)
        return done

    assert at_once([post] * 20) == ["done"] + ["known"] * 19
    assert len(answers) == 1
    assert told(hold) == ("active", 500)


def test_twenty_threads_with_one_key_place_once_and_have_one_answer(chan: Book) -> None:
    answers = set()

    def put() -> Any:
        placed = holds.place(chan, [pay("30.00"), deliver("1")], key="h1", actor="ops")
        answers.add(placed.group_id)
        return placed

    assert at_once([put] * 20) == ["done"] + ["known"] * 19
    assert len(answers) == 1
    assert held(chan, cash(CHAN)) == (3000, 0)


def test_parts_posted_at_once_never_make_more_than_the_hold(chan: Book) -> None:
    hold = one(chan, "40.00")

    outcomes = at_once(
        [
            lambda n=n: holds.post_hold(hold, quantity=Decimal("3.00"), key=f"s{n}", actor="ops")
            for n in range(20)
        ]
    )

    assert outcomes == ["done"] * 13 + ["hold_not_open"] * 7
    assert told(hold) == ("active", 3900)
    assert balances.holding(chan, cash(CHAN)) == Decimal("61.00")


def test_holds_and_withdrawals_at_once_never_go_beyond_what_is_there(chan: Book) -> None:
    works = [lambda n=n: holds.place(chan, [pay("7.00")], key=f"h{n}", actor="ops") for n in range(15)]
    works += [lambda n=n: posting.post(chan, cash_out(f"w{n}", CHAN, "7.00"), actor="ops") for n in range(15)]
    random.Random(7).shuffle(works)

    outcomes = at_once(works)

    # 100.00 is fourteen times 7.00 and 2.00.
    assert outcomes == ["done"] * 14 + ["insufficient_balance"] * 16
    [standing] = balances.standings(chan, owners=[CHAN], roles=["client_cash"])
    assert standing.available == Decimal("2.00")
    assert audit.run().findings == ()


def test_of_a_release_and_a_posting_at_once_one_wins(chan: Book) -> None:
    for n in range(8):
        hold = one(chan, "1.00", key=f"h{n}")
        post = lambda hold=hold, n=n: holds.post_hold(hold, key=f"s{n}", actor="ops")  # noqa: E731
        release = lambda hold=hold: holds.release(hold, actor="lam", reason="Withdrawn")  # noqa: E731

        assert at_once([post, release] if n % 2 else [release, post], 2) == ["done", "hold_not_open"]
        assert told(hold) in (("posted", 100), ("released", 0))
        assert Journal.objects.filter(hold=hold).count() == hold.posted_atoms // 100
    assert held(chan, cash(CHAN)) == held(chan, BANK) == (0, 0)
    assert audit.run().findings == ()


def test_of_expiry_and_a_posting_at_once_one_wins(chan: Book) -> None:
    for n in range(6):
        soon = clock.now() + timedelta(milliseconds=150)
        group = place(chan, pay("1.00"), pay("1.00", LEE), key=f"g{n}", expires_at=soon)

        def post(group: list[Hold] = group, n: int = n) -> Any:
            time.sleep(0.1 + n / 50)
            return holds.post_group(chan, group[0].group_id, key=f"s{n}", actor="ops")

        def sweep() -> None:
            while Hold.objects.filter(state="active").exists():
                holds.expire_due()

        outcomes = at_once([post, sweep, sweep], 3)

        states = {told(hold) for hold in group}
        assert (outcomes, states) in (
            (["done"] * 3, {("posted", 100)}),
            (["done", "done", "hold_not_open"], {("expired", 0)}),
        )
    assert held(chan, cash(CHAN)) == held(chan, cash(LEE)) == held(chan, BANK) == (0, 0)
    assert audit.run().findings == ()


def test_a_sweep_passes_by_what_is_being_posted_and_comes_back(chan: Book) -> None:
    soon = clock.now() + timedelta(milliseconds=300)
    group = place(chan, pay("1.00"), pay("1.00", LEE), key="g1", expires_at=soon)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            sql("SELECT 1 FROM ledger_hold WHERE id = %s FOR NO KEY UPDATE", group[1].pk)
            time.sleep(0.35)
            assert pool.submit(in_thread(holds.expire_due)).result(timeout=5) == 0
            assert [told(hold)[0] for hold in group] == ["active", "active"]
        assert pool.submit(in_thread(holds.expire_due)).result(timeout=5) == 2


def test_a_freeze_waits_for_the_hold_under_way_and_stops_the_next(chan: Book) -> None:
    account = Account.objects.get(pk=account_id(chan, cash(CHAN)))

    @in_thread
    def put() -> str:
        return outcome(lambda: one(chan, key="h2"))

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            freezes.set_freeze(account=account, mode="debit", actor="lam", reason="Court order 7/22")
            placing = pool.submit(put)
            time.sleep(0.3)
        assert placing.result(timeout=5) == AccountFrozen.code
    assert not Hold.objects.exists()


def test_holds_posted_past_the_service_and_released_at_once_never_deadlock(chan: Book) -> None:
    """A journal that names a hold locks it before the balances, as a release does."""
    before = sql(DEADLOCKS)
    made = [one(chan, "1.00", key=f"h{n}") for n in range(40)]

    def post(hold: Hold) -> str:
        legs = (posting.debit(cash(CHAN), Decimal("1.00")), posting.credit(BANK, Decimal("1.00")))
        request = posting.JournalRequest(f"s{hold.pk}", "settlement", legs, value_on=DAY, hold=hold.pk)
        return outcome(lambda: posting.post(chan, request, actor="ops"))

    def release(hold: Hold) -> str:
        return outcome(lambda: holds.release(hold, actor="lam", reason="Withdrawn"))

    with ThreadPoolExecutor(8) as pool:
        posted = [pool.submit(in_thread(post), hold) for hold in made]
        released = [pool.submit(in_thread(release), hold) for hold in made]
        pairs = [sorted([p.result(), r.result()]) for p, r in zip(posted, released, strict=True)]

    assert pairs == [["done", HoldNotOpen.code]] * 40
    assert sql(DEADLOCKS) == before
    assert audit.run().findings == ()


def test_a_posting_that_waits_for_a_hold_has_no_balance_that_its_release_wants(chan: Book) -> None:
    before = sql(DEADLOCKS)
    hold = one(chan, "1.00")

    def post() -> str:
        legs = (posting.debit(cash(CHAN), Decimal("1.00")), posting.credit(BANK, Decimal("1.00")))
        request = posting.JournalRequest("s1", "settlement", legs, value_on=DAY, hold=hold.pk)
        return outcome(lambda: posting.post(chan, request, actor="ops"))

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            sql("SELECT 1 FROM ledger_hold WHERE id = %s FOR NO KEY UPDATE", hold.pk)
            waiting = pool.submit(in_thread(post))
            time.sleep(0.4)
            holds.release(hold, actor="lam", reason="Withdrawn")
        assert waiting.result(timeout=5) == HoldNotOpen.code
    assert sql(DEADLOCKS) == before


def test_groups_over_the_same_accounts_in_opposite_orders_never_deadlock(chan: Book) -> None:
    before = sql(DEADLOCKS)

    def live(n: int) -> str:
        wishes = [pay("0.10"), deliver("0.001"), pay("0.10", LEE)]
        group = place(chan, *(wishes if n % 2 else wishes[::-1]), key=f"g{n}")
        if n % 3:
            holds.post_group(chan, group[0].group_id, key=f"s{n}", actor="ops")
        else:
            holds.release_group(chan, group[0].group_id, actor="lam", reason="Withdrawn")
        return "done"

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(in_thread(live), range(48))) == {"done"}

    assert sql(DEADLOCKS) == before
    assert held(chan, pledged(CHAN)) == held(chan, custody()) == (0, 0)
    # Thirty-two of the forty-eight were paid.
    assert balances.holding(chan, cash(CHAN)) == Decimal("96.80")
    assert audit.run().findings == ()


def test_what_was_held_in_a_transaction_that_broke_off_was_never_held(chan: Book) -> None:
    @transaction.atomic
    def broken_off() -> None:
        one(chan)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()

    assert held(chan, cash(CHAN)) == (0, 0)
    with pytest.raises(InsufficientBalance):
        one(chan, "100.01")
