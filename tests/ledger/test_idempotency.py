"""Nothing happens twice: keys of journals. Keys of commands are told of in `core/test_idempotency.py`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection

from ledger import balances, posting
from ledger.core.errors import KeyReused, Refusal
from ledger.models import Book, Journal
from ledger.posting import JournalRequest, Leg, Posted

from .books import BANK, DAY, cash, cash_in, cash_out

CHAN = "H0001"


@pytest.mark.django_db
def test_the_same_key_and_body_have_one_effect(book: Book) -> None:
    first = posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    again = posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")

    assert again == Posted(first.journal_id, is_replay=True)
    assert balances.holding(book, cash(CHAN)) == Decimal("100.00")


@pytest.mark.django_db
def test_how_an_amount_is_written_or_parted_does_not_make_another_body(book: Book) -> None:
    first = posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    legs = (
        Leg(cash(CHAN), Decimal("-1E+2")),
        Leg(BANK, Decimal("60.0")),
        Leg(BANK, Decimal("40")),
    )

    again = posting.post(book, JournalRequest("d1", "deposit", legs, DAY), actor="ops")

    assert again == Posted(first.journal_id, is_replay=True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("other", "differing"),
    [
        (cash_in("d1", CHAN, "100.01"), ["legs"]),
        (cash_in("d1", "H0002", "100.00"), ["legs"]),
        (cash_in("d1", CHAN, "100.00", cause="client:H0001"), ["cause"]),
        (cash_in("d1", CHAN, "100.00", value_on=DAY.replace(day=13)), ["value_on"]),
        (cash_in("d1", CHAN, "99.00", kind="fee"), ["kind", "legs"]),
    ],
)
def test_the_same_key_with_another_body_is_refused_and_the_difference_named(
    book: Book, other: JournalRequest, differing: list[str]
) -> None:
    posted = posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")

    with pytest.raises(KeyReused, match=f"these differ: {', '.join(differing)}") as refused:
        posting.post(book, other, actor="ops")

    assert refused.value.details == {"differing": differing, "journal": str(posted.journal_id)}
    assert balances.holding(book, cash(CHAN)) == Decimal("100.00")


@pytest.mark.django_db
def test_a_key_given_twice_in_one_batch_has_one_effect(book: Book) -> None:
    first, second, other = posting.post_batch(
        book,
        [cash_in("d1", CHAN, "100.00"), cash_in("d1", CHAN, "100.00"), cash_in("d2", CHAN, "1.00")],
        actor="ops",
    )

    assert second == Posted(first.journal_id, is_replay=True)
    assert not other.is_replay
    assert balances.holding(book, cash(CHAN)) == Decimal("101.00")


@pytest.mark.django_db
def test_a_key_given_twice_in_one_batch_with_two_bodies_refuses_the_batch(book: Book) -> None:
    with pytest.raises(KeyReused, match="these differ: legs") as refused:
        posting.post_batch(book, [cash_in("d1", CHAN, "100.00"), cash_in("d1", CHAN, "200.00")], actor="ops")

    assert refused.value.details == {"differing": ["legs"]}
    assert not Journal.objects.exists()


@pytest.mark.django_db
def test_a_batch_half_known_adds_only_what_is_new(book: Book) -> None:
    known = posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")

    results = posting.post_batch(
        book, [cash_out("w1", CHAN, "30.00"), cash_in("d1", CHAN, "100.00")], actor="ops"
    )

    assert [posted.is_replay for posted in results] == [False, True]
    assert results[1].journal_id == known.journal_id
    assert balances.holding(book, cash(CHAN)) == Decimal("70.00")


@pytest.mark.django_db
def test_books_do_not_share_keys(book: Book) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Securities")

    assert not posting.post(book, cash_in("d1", CHAN, "1.00"), actor="ops").is_replay
    assert not posting.post(peak, cash_in("d1", CHAN, "2.00"), actor="ops").is_replay


@pytest.mark.django_db
def test_a_refused_journal_does_not_use_up_its_key(book: Book) -> None:
    with pytest.raises(Refusal):
        posting.post(book, cash_out("w1", CHAN, "5.00"), actor="ops")
    posting.post(book, cash_in("d1", CHAN, "5.00"), actor="ops")

    assert not posting.post(book, cash_out("w1", CHAN, "5.00"), actor="ops").is_replay


@pytest.mark.django_db(transaction=True)
def test_twenty_threads_with_one_key_have_one_effect_and_one_answer(book: Book) -> None:
    at_once = Barrier(20)

    def send(_n: int) -> Posted:
        try:
            at_once.wait()
            return posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(send, range(20)))

    assert len({posted.journal_id for posted in results}) == 1
    assert sorted(posted.is_replay for posted in results) == [False] + [True] * 19
    assert balances.holding(book, cash(CHAN)) == Decimal("100.00")


@pytest.mark.django_db(transaction=True)
def test_twenty_threads_reverse_one_journal_once(book: Book) -> None:
    posting.post(book, cash_in("d0", CHAN, "10000.00"), actor="ops")
    posted = posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    journal = Journal.objects.get(pk=posted.journal_id)
    at_once = Barrier(20)

    def send(n: int) -> str:
        try:
            at_once.wait()
            posting.reverse(journal, key=f"r{n}", actor="lam", reason="Mistake")
        except Refusal as refusal:
            return refusal.reason
        finally:
            connection.close()
        return "reversed"

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(send, range(20)))

    assert sorted(outcomes) == ["already_reversed"] * 19 + ["reversed"]
    assert balances.holding(book, cash(CHAN)) == Decimal("10000.00")
