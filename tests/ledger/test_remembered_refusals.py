"""A journal refused on its own is refused again under its key, and whatever else it would have made is forgotten."""

from __future__ import annotations

import pytest

from ledger import audit, posting
from ledger.core.errors import KeyReused
from ledger.models import Account, Book
from ledger.posting import InsufficientBalance, Posted, Refused

from .books import cash, cash_in, cash_out, move

CHAN, LEE = "H0001", "H0002"


@pytest.mark.django_db
def test_what_was_refused_is_refused_again_whoever_asks(book: Book) -> None:
    withdrawal = cash_out("w1", CHAN, "5.00")
    [first] = posting.post_each(book, [withdrawal], actor="ops")
    posting.post(book, cash_in("d1", CHAN, "5.00"), actor="ops")

    [again] = posting.post_each(book, [withdrawal], actor="ops")
    with pytest.raises(InsufficientBalance) as told:
        posting.post_batch(book, [cash_in("d2", CHAN, "1.00"), withdrawal], actor="ops")

    assert isinstance(first, Refused)
    assert isinstance(again, Refused)
    assert (first.is_replay, again.is_replay) == (False, True)
    assert first.refusal.details == again.refusal.details == told.value.details
    assert not posting.post(book, cash_in("d2", CHAN, "1.00"), actor="ops").is_replay


@pytest.mark.django_db
def test_another_wish_under_the_key_of_a_refused_one(book: Book) -> None:
    posting.post_each(book, [cash_out("w1", CHAN, "5.00")], actor="ops")

    other = cash_in("w1", CHAN, "5.00")
    [reused, _fine] = posting.post_each(book, [other, cash_in("d1", CHAN, "1.00")], actor="ops")

    assert isinstance(reused, Refused)
    assert isinstance(reused.refusal, KeyReused)
    assert reused.refusal.message == "The key w1 was used before with another body."
    assert (reused.refusal.details, reused.is_replay) == ({"differing": []}, False)


@pytest.mark.django_db
def test_each_reused_key_of_a_batch_is_told_by_what_itself_says_otherwise(book: Book) -> None:
    posted = posting.post(book, cash_in("d1", CHAN, "5.00"), actor="ops")
    batch = [
        cash_in("d1", CHAN, "5.00", cause="loan:7"),
        cash_in("d1", CHAN, "6.00"),
        move("d1", cash(LEE), cash(LEE), "1.00"),
    ]

    by_cause, by_legs, without_shape = posting.post_each(book, batch, actor="ops")

    for result, differing in ((by_cause, ["cause"]), (by_legs, ["legs"])):
        assert isinstance(result, Refused)
        assert result.refusal.details == {"differing": differing, "journal": str(posted.journal_id)}
    assert isinstance(without_shape, Refused)
    assert without_shape.refusal.reason == "journal_size"


@pytest.mark.django_db(transaction=True)
def test_an_account_opened_for_a_refused_journal_is_opened_anew_by_the_next(book: Book) -> None:
    [refused] = posting.post_each(book, [cash_out("w1", CHAN, "5.00")], actor="ops")
    assert isinstance(refused, Refused)
    assert not Account.objects.exists()

    [posted] = posting.post_each(book, [cash_in("d1", CHAN, "5.00")], actor="ops")

    assert isinstance(posted, Posted)
    assert audit.run().findings == ()
