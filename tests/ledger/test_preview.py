"""A preview says what posting then does, to the digit and to the word, and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import balances, holds, posting
from ledger.accounts import AccountKey
from ledger.core.errors import Refusal
from ledger.holds import HoldRequest
from ledger.models import Account, Book, Journal, Location
from ledger.posting import InsufficientBalance, JournalRequest, Leg, Posted, Refused
from ledger.preview import Mode, Preview, post_as, preview

from .books import BANK, DAY, account_id, cash, cash_in, cash_out, custody, move, pledge, pledged, sql

CHAN, LEE = "H0001", "H0002"
MONEY = [BANK, cash(CHAN), cash(LEE), AccountKey("loan_principal", "HKD", CHAN)]
COINS = [custody(), pledged(CHAN), pledged(LEE), custody("BTC", "COLD"), pledged(CHAN, "BTC", "COLD")]
CENTS, SATOSHI = Decimal("0.01"), Decimal("0.00000001")

TABLES = ("ledger_journal", "ledger_entry", "ledger_key", "ledger_account", "ledger_balance", "core_event")


def everything() -> list[Any]:
    """The rows of every table a posting writes."""
    return [sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES]


def numbers() -> set[str]:
    return {str(n) for model in (Account, Journal) for n in model.objects.values_list("pk", flat=True)}


def words_of(refusal: Refusal, known: set[str]) -> tuple[object, ...]:
    """A refusal without the numbers of journals and accounts that are not known before it."""
    details = {n: v for n, v in refusal.details.items() if n not in ("account", "journal") or str(v) in known}
    message = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", refusal.message)
    return type(refusal), refusal.reason, refusal.field, message, details


def told(book: Book, requests: Sequence[JournalRequest], mode: Mode) -> object:
    """What a preview says, or why it refuses."""
    known = numbers()
    try:
        seen: Preview = preview(book, requests, actor="ops", mode=mode)
    except Refusal as refusal:
        return words_of(refusal, known)
    results = [
        (
            words_of(o.refusal, known) if o.refusal else None,
            o.is_replay,
            o.journal_id if o.is_replay else None,
        )
        for o in seen.outlooks
    ]
    return results, [(s.key, s.quantity, s.held, s.available, s.version) for s in seen.standings]


def done(book: Book, requests: Sequence[JournalRequest], mode: Mode) -> object:
    """What posting does, in the shape of :func:`told`."""
    before = numbers()
    try:
        with transaction.atomic():
            posted = post_as(book, requests, actor="ops", mode=mode)
    except Refusal as refusal:
        return words_of(refusal, before)
    results = []
    for result in posted:
        if isinstance(result, Refused):
            results.append((words_of(result.refusal, before), result.is_replay, None))
        else:
            known = result.journal_id if str(result.journal_id) in before else None
            results.append((None, result.is_replay, known))
    keys = {leg.account for request in requests for leg in request.legs}
    found = [s for s in balances.standings(book, with_empty=True) if s.key in keys]
    return results, [(s.key, s.quantity, s.held, s.available, s.version) for s in found]


@st.composite
def requests(draw: st.DrawFn) -> JournalRequest:
    """Mostly a move between two accounts of one asset and place, now and then anything."""
    key, atom, fellows = f"k{draw(st.integers(0, 30))}", CENTS, MONEY
    if draw(st.booleans()):
        place = draw(st.sampled_from(["VAULT", "COLD"]))
        atom, fellows = SATOSHI, [a for a in COINS if a.location == place]
    of, to = draw(st.permutations(fellows))[:2]
    quantity = atom * draw(st.integers(1, 300) | st.just(10**17 + 1))
    legs = (Leg(to, quantity), Leg(of, -quantity))
    if draw(st.integers(0, 9)) == 0:
        odd = st.tuples(st.sampled_from(MONEY + COINS), st.integers(-3, 3))
        legs = tuple(Leg(account, n * CENTS) for account, n in draw(st.lists(odd, max_size=4)))
    return JournalRequest(key=key, kind="story", legs=legs, value_on=DAY)


freezes = st.dictionaries(
    st.sampled_from([cash(CHAN), cash(LEE), pledged(CHAN)]), st.sampled_from(["debit", "all"]), max_size=1
)


@pytest.mark.django_db
@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(
    batch=st.lists(requests(), min_size=1, max_size=5),
    earlier=st.lists(requests(), max_size=2),
    frozen=freezes,
    mode=st.sampled_from(Mode),
)
def test_a_preview_equals_the_posting_after_it(
    book: Book,
    batch: list[JournalRequest],
    earlier: list[JournalRequest],
    frozen: dict[AccountKey, str],
    mode: Mode,
) -> None:
    Location.objects.get_or_create(code="COLD", defaults={"name": "Cold store", "kind": "custodian"})
    with transaction.atomic():
        opening = [cash_in("o1", CHAN, "6.00"), cash_in("o2", LEE, "4.00"), pledge("o3", CHAN, "0.00000500")]
        posting.post_batch(book, opening, actor="ops")
        posting.post_each(book, earlier, actor="ops")
        for key, state in frozen.items():
            Account.objects.filter(pk=account_id(book, key)).update(freeze=state)
        before = everything()

        said = told(book, batch, mode)

        assert everything() == before
        assert said == done(book, batch, mode)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_a_preview_leaves_no_row_no_account_and_no_used_key(book: Book) -> None:
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    wish = [cash_in("d2", LEE, "40.00"), cash_out("w1", CHAN, "130.00")]
    before = everything()

    seen = preview(book, wish, actor="ops", mode=Mode.INDEPENDENT)

    assert everything() == before
    new, refused = seen.outlooks
    assert (new.refusal, new.is_replay, new.journal_id) == (None, False, None)
    assert isinstance(refused.refusal, InsufficientBalance)
    assert {s.key: s.quantity for s in seen.standings} == {
        BANK: Decimal("140.00"),
        cash(CHAN): Decimal("100.00"),
        cash(LEE): Decimal("40.00"),
    }
    # The account that the preview opened is forgotten by this process too.
    posted = posting.post_each(book, wish, actor="ops")
    assert isinstance(posted[0], Posted)
    assert not posted[0].is_replay
    assert balances.holding(book, cash(LEE)) == Decimal("40.00")


@pytest.mark.django_db(transaction=True)
def test_all_or_none_is_refused_in_the_words_of_the_posting(book: Book) -> None:
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    wish = [cash_in("d2", LEE, "40.00"), cash_out("w1", CHAN, "130.00")]

    with pytest.raises(InsufficientBalance) as said:
        preview(book, wish, actor="ops", mode=Mode.ALL_OR_NONE)
    with pytest.raises(InsufficientBalance) as done_then:
        posting.post_batch(book, wish, actor="ops")

    assert words_of(said.value, numbers()) == words_of(done_then.value, numbers())


@pytest.mark.django_db
def test_a_refusal_names_no_journal_that_is_not_there(book: Book) -> None:
    other_body = [cash_in("d1", CHAN, "100.00"), cash_in("d1", CHAN, "200.00")]

    refused = preview(book, other_body, actor="ops", mode=Mode.INDEPENDENT).outlooks[1].refusal

    assert refused is not None
    assert (refused.reason, refused.details) == ("idempotency_key_reused", {"differing": ["legs"]})


@pytest.mark.django_db
def test_a_key_given_twice_in_one_batch_shows_as_one_effect(book: Book) -> None:
    twice = [cash_in("d1", CHAN, "100.00"), cash_in("d1", CHAN, "100.00")]

    seen = preview(book, twice, actor="ops", mode=Mode.ALL_OR_NONE)

    assert [(o.is_replay, o.journal_id) for o in seen.outlooks] == [(False, None), (True, None)]
    assert {s.key: s.quantity for s in seen.standings}[cash(CHAN)] == Decimal("100.00")


@pytest.mark.django_db
def test_what_is_known_already_is_named(book: Book) -> None:
    [posted] = posting.post_batch(book, [cash_in("d1", CHAN, "100.00")], actor="ops")

    seen = preview(book, [cash_in("d1", CHAN, "100.00")], actor="ops", mode=Mode.INDEPENDENT)

    assert [(o.is_replay, o.journal_id) for o in seen.outlooks] == [(True, posted.journal_id)]


@pytest.mark.django_db
def test_an_account_shows_what_all_its_slots_would_hold(book: Book) -> None:
    posting.post(book, move("s1", BANK._replace(slot=3), cash(CHAN), "10.00"), actor="ops")
    posting.post(book, move("s2", BANK._replace(slot=5), cash(CHAN), "20.00"), actor="ops")

    seen = preview(book, [cash_in("s3", CHAN, "1.00")], actor="ops", mode=Mode.ALL_OR_NONE)

    assert {s.key: s.quantity for s in seen.standings} == {
        BANK: Decimal("31.00"),
        cash(CHAN): Decimal("31.00"),
    }


@pytest.mark.django_db
def test_what_is_held_is_not_available(book: Book) -> None:
    posting.post_batch(book, [cash_in("d1", CHAN, "100.00"), pledge("p1", CHAN, "2")], actor="ops")
    holds.place(book, [HoldRequest(pledged(CHAN), custody(), Decimal("0.5"))], key="h1", actor="ops")

    seen = preview(book, [pledge("p2", CHAN, "1")], actor="ops", mode=Mode.ALL_OR_NONE)

    [coins] = [s for s in seen.standings if s.key == pledged(CHAN)]
    assert (coins.quantity, coins.held, coins.available) == (Decimal("3"), Decimal("0.5"), Decimal("2.5"))
