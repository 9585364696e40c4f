"""Money and coins are set aside, and then go or stay."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ledger import audit, balances, freezes, holds, posting, tasks
from ledger.accounts import AccountKey, slot_of_process
from ledger.core import clock
from ledger.core.errors import Conflict, Invalid, KeyReused, NotFound
from ledger.core.ids import uuid7
from ledger.core.models import Event
from ledger.holds import HOLDS_PER_GROUP_MAX, HoldRequest
from ledger.models import Account, Balance, Book, Hold, Journal
from ledger.posting import AccountClosed, AccountFrozen, HoldNotOpen, InsufficientBalance, credit, debit
from tests.ledger.books import BANK, DAY, account_id, cash, cash_in, cash_out, custody, move, pledged, sql
from tests.ledger.controls.accounts import changed

from .reserved import CHAN, LEE, deliver, held, one, opened, pay, place, told

pytestmark = pytest.mark.django_db
NOON = datetime(2022, 5, 12, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def chan(book: Book) -> Book:
    opened(book)
    return book


def topics(hold: Hold) -> list[str]:
    rows = Event.objects.filter(subject_type="ledger.hold", subject_id=str(hold.pk)).order_by("pk")
    return [event.topic for event in rows]


def standing(book: Book, owner: str = CHAN, role: str = "client_cash") -> tuple[Decimal, Decimal, Decimal]:
    [found] = balances.standings(book, owners=[owner], roles=[role])
    return found.quantity, found.held, found.available


def test_what_is_held_is_still_hers_but_no_longer_available(chan: Book) -> None:
    hold = one(chan, "40.00")

    assert standing(chan) == (Decimal("100.00"), Decimal("40.00"), Decimal("60.00"))
    assert held(chan, cash(CHAN)) == (4000, 0)
    assert held(chan, BANK) == (0, 4000)
    with pytest.raises(
        InsufficientBalance, match="H0001 / Client cash / HKD does not hold enough"
    ) as refused:
        posting.post(chan, cash_out("w1", CHAN, "60.01"), actor="ops")
    assert refused.value.details["held"] == "4000"
    posting.post(chan, cash_out("w2", CHAN, "60.00"), actor="ops")
    assert standing(chan) == (Decimal("40.00"), Decimal("40.00"), Decimal("0.00"))
    assert (hold.state, hold.actor, hold.left_atoms) == ("active", "ops", 4000)


def test_a_hold_is_posted_in_parts_and_ends_with_the_last(chan: Book) -> None:
    hold = one(chan, "40.00")

    first = holds.post_hold(
        hold, quantity=Decimal("15.00"), key="s1", actor="ops", value_on=date(2022, 5, 12)
    )
    assert standing(chan) == (Decimal("85.00"), Decimal("25.00"), Decimal("60.00"))
    assert told(hold) == ("active", 1500)
    last = holds.post_hold(hold, key="s2", actor="ops", kind="settlement", narrative="T+2")

    assert standing(chan) == (Decimal("60.00"), Decimal("0.00"), Decimal("60.00"))
    assert told(hold) == ("posted", 4000)
    assert hold.ended_at is not None
    assert last.holds[0].state == "posted"
    journals = Journal.objects.filter(hold=hold).order_by("pk")
    assert [j.pk for j in journals] == [*first.journal_ids, *last.journal_ids]
    assert [(j.kind, j.cause) for j in journals] == [
        ("hold_posting", f"hold:{hold.pk}"),
        ("settlement", f"hold:{hold.pk}"),
    ]
    assert topics(hold) == ["ledger.hold.placed", "ledger.hold.posted", "ledger.hold.posted"]
    assert Event.objects.filter(topic="ledger.hold.posted").first().payload == {
        "group": str(hold.pk),
        "journal": str(last.journal_ids[0]),
        "quantity": "25.00",
        "left": "0.00",
        "asked": None,
        "then_release": False,
    }
    assert audit.run().findings == ()


def test_a_part_is_posted_and_the_rest_let_go_in_one_step(chan: Book) -> None:
    hold = one(chan, "40.00")

    done = holds.post_hold(hold, quantity=Decimal("39.99"), then_release=True, key="s1", actor="ops")

    assert standing(chan) == (Decimal("60.01"), Decimal("0.00"), Decimal("60.01"))
    assert told(hold) == ("released", 3999)
    assert done.holds[0].state == "released"
    assert topics(hold) == ["ledger.hold.placed", "ledger.hold.posted", "ledger.hold.released"]
    assert Event.objects.get(topic="ledger.hold.released").payload["quantity"] == "0.01"


def test_a_hold_is_released_with_a_reason_and_is_over(chan: Book) -> None:
    hold = one(chan, "40.00")

    released = holds.release(hold, actor="lam", reason="Order withdrawn")

    assert (released.state, held(chan, cash(CHAN)), held(chan, BANK)) == ("released", (0, 0), (0, 0))
    event = Event.objects.get(topic="ledger.hold.released")
    assert (event.actor, event.reason, event.broker_code) == ("lam", "Order withdrawn", "HARBOUR")
    for again in (
        lambda: holds.release(hold, actor="lam", reason="Again"),
        lambda: holds.post_hold(hold, key="s1", actor="ops"),
        lambda: holds.post_hold(hold, key="s1", actor="ops", quantity=Decimal("1.00")),
    ):
        with pytest.raises(HoldNotOpen, match="This hold has ended: Released") as refused:
            again()
        assert refused.value.details["state"] == "released"
    with pytest.raises(Invalid) as refused_reason:
        holds.release(one(chan, "1.00", key="h2"), actor="lam", reason=" ")
    assert refused_reason.value.reason == "reason_required"


def test_coins_are_held_to_their_last_satoshi_on_both_sides(chan: Book) -> None:
    [hold] = place(chan, deliver("1.49999999"))

    assert (held(chan, pledged(CHAN)), held(chan, custody())) == ((149999999, 0), (0, 149999999))
    # Neither the client's coins nor the vault's leave room, and either is named.
    nowhere = r"(Client collateral|Custody) / BTC / VAULT does not hold enough"
    with pytest.raises(InsufficientBalance, match=nowhere):
        place(chan, deliver("0.00000002"), key="h2")
    with pytest.raises(InsufficientBalance):
        posting.post(chan, move("w1", pledged(CHAN), custody(), "0.00000002"), actor="ops")
    place(chan, deliver("0.00000001"), key="h3")
    holds.post_hold(hold, key="s1", actor="ops")
    assert balances.holding(chan, custody()) == Decimal("0.00000001")


def test_more_than_is_left_is_not_posted(chan: Book) -> None:
    hold = one(chan, "40.00")
    holds.post_hold(hold, quantity=Decimal("30.00"), key="s1", actor="ops")

    with pytest.raises(HoldNotOpen, match=r"Of this hold 10\.00 HKD are left") as refused:
        holds.post_hold(hold, quantity=Decimal("10.01"), key="s2", actor="ops")

    assert (refused.value.reason, refused.value.field) == ("hold_not_open", "quantity")
    assert refused.value.details["left"] == "10.00"
    assert told(hold) == ("active", 3000)


@pytest.mark.parametrize("quantity", ["0", "-1.00", "NaN", "Infinity", "-0", "0.001", "1E+40"])
def test_quantities_that_are_none_are_refused_when_placed_and_when_posted(chan: Book, quantity: str) -> None:
    hold = one(chan, "40.00")
    with pytest.raises(Invalid) as placing:
        place(chan, pay(quantity), key="h2")
    with pytest.raises((Invalid, HoldNotOpen)) as posted:
        holds.post_hold(hold, quantity=Decimal(quantity), key="s1", actor="ops")

    assert (placing.value.field, posted.value.field) == ("quantity", "quantity")
    assert told(hold) == ("active", 0)


def test_the_hour_of_a_hold_passes(chan: Book) -> None:
    with clock.override(NOON):
        hold = one(chan, "40.00", expires_at=NOON + HOUR)
        lasting = one(chan, "1.00", key="h2")
        assert holds.expire_due() == 0
    with clock.override(NOON + HOUR):
        # The clock has not come round yet, and what is held is still held; but it is too late to post it.
        with pytest.raises(HoldNotOpen, match="This hold has expired"):
            holds.post_hold(hold, key="s1", actor="ops")
        assert held(chan, cash(CHAN)) == (4100, 0)
        assert tasks.expire_holds() == 1
        assert tasks.expire_holds() == 0

    assert told(hold) == ("expired", 0)
    assert hold.ended_at == NOON + HOUR
    assert told(lasting) == ("active", 0)
    assert held(chan, cash(CHAN)) == (100, 0)
    event = Event.objects.get(topic="ledger.hold.expired")
    assert (event.subject_id, event.actor, event.payload["quantity"]) == (str(hold.pk), "system", "40.00")
    with pytest.raises(HoldNotOpen, match="This hold has ended: Expired"):
        holds.post_hold(hold, key="s1", actor="ops")


def test_an_end_that_is_past_or_of_no_zone_is_refused(chan: Book) -> None:
    with clock.override(NOON):
        for expires_at, code in ((NOON, "past"), (datetime(2022, 5, 13), "no_time_zone")):  # noqa: DTZ001
            with pytest.raises(Invalid) as refused:
                one(chan, expires_at=expires_at)
            assert (refused.value.field, refused.value.reason) == ("expires_at", code)


def test_a_group_is_placed_whole_or_not_at_all(chan: Book) -> None:
    with pytest.raises(InsufficientBalance, match="H0002 / Client cash / HKD does not hold enough"):
        place(chan, pay("10.00"), pay("50.01", LEE), deliver("1"))
    assert not Hold.objects.exists()
    assert held(chan, cash(CHAN)) == held(chan, BANK) == (0, 0)

    group = place(chan, pay("10.00"), pay("50.00", LEE), deliver("1"))

    assert [h.position for h in group] == [1, 2, 3]
    assert {h.group_id for h in group} == {group[0].pk}
    assert held(chan, BANK) == (0, 6000)
    # Of one account twice: both count.
    with pytest.raises(InsufficientBalance):
        place(chan, pay("45.01"), pay("45.00"), key="h2")


def test_a_group_is_posted_whole_and_released_whole(chan: Book) -> None:
    group = place(chan, pay("10.00"), deliver("1"))
    for alone in (
        lambda: holds.post_hold(group[0], key="s1", actor="ops"),
        lambda: holds.release(group[1], actor="lam", reason="Mistake"),
    ):
        with pytest.raises(Conflict, match="placed with others") as refused:
            alone()
        assert refused.value.reason == "in_group"

    with pytest.raises(Invalid) as part:
        holds.post_group(
            chan, group[0].group_id, quantities={group[0].pk: Decimal("1")}, key="s1", actor="ops"
        )
    assert part.value.reason == "group_whole"
    quantities = {group[0].pk: Decimal("10.00"), group[1].pk: Decimal("0.25")}
    done = holds.post_group(chan, group[0].group_id, quantities=quantities, key="s1", actor="ops")

    assert len(done.journal_ids) == 2
    assert [told(h) for h in group] == [("posted", 1000), ("active", 25_000_000)]
    again = holds.post_group(chan, group[0].group_id, quantities=quantities, key="s1", actor="ops")
    assert (again.is_replay, again.journal_ids) == (True, done.journal_ids)
    released = holds.release_group(chan, group[0].group_id, actor="lam", reason="The rest fell through")
    assert [h.state for h in released] == ["posted", "released"]
    assert held(chan, pledged(CHAN)) == held(chan, custody()) == (0, 0)
    assert audit.run().findings == ()


def test_of_a_group_nothing_is_posted_when_one_account_is_frozen(chan: Book) -> None:
    group = place(chan, pay("10.00"), deliver("1"))
    coins = Account.objects.get(pk=account_id(chan, pledged(CHAN)))
    freezes.set_freeze(account=coins, mode="debit", actor="lam", reason="Court order 7/22")

    with pytest.raises(AccountFrozen, match="Client collateral / BTC / VAULT is frozen"):
        holds.post_group(chan, group[0].group_id, key="s1", actor="ops")

    assert [told(h) for h in group] == [("active", 0), ("active", 0)]
    assert not Journal.objects.filter(hold__isnull=False).exists()
    # What is set aside may always be given back.
    holds.release_group(chan, group[0].group_id, actor="lam", reason="Court order 7/22")


def test_a_group_expires_whole(chan: Book) -> None:
    with clock.override(NOON):
        group = place(chan, pay("10.00"), deliver("1"), expires_at=NOON + HOUR)
    with clock.override(NOON + HOUR):
        assert holds.expire_due() == 2
    assert [told(h)[0] for h in group] == ["expired", "expired"]


def test_a_sweep_cut_off_by_its_limit_leaves_no_group_in_halves(
    chan: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds.ending, "HOLDS_PER_SWEEP_MAX", 3)
    with clock.override(NOON):
        for n in range(3):
            place(chan, pay("1.00"), pay("1.00", LEE), key=f"g{n}", expires_at=NOON + HOUR)
    with clock.override(NOON + HOUR):
        assert holds.expire_due() == 6
    assert held(chan, BANK) == (0, 0)


def test_frozen_and_closed_accounts_take_no_hold(chan: Book) -> None:
    account = Account.objects.get(pk=account_id(chan, cash(CHAN)))
    for mode, refused in (("credit", False), ("debit", True), ("all", True)):
        freezes.set_freeze(account=account, mode=mode, actor="lam", reason="Court order 7/22")
        if refused:
            with pytest.raises(AccountFrozen, match="H0001 / Client cash / HKD is frozen"):
                one(chan, key=mode)
        else:
            one(chan, "1.00", key=mode)
    posting.post(chan, cash_out("w1", LEE, "50.00"), actor="ops")
    closed = account_id(chan, cash(LEE))
    sql("UPDATE ledger_account SET closed_at = now() WHERE id = %s", closed)
    with pytest.raises(AccountClosed, match="H0002 / Client cash / HKD is closed"):
        place(chan, HoldRequest(BANK, cash(LEE), Decimal("1.00")), key="h9")


def test_an_account_with_a_hold_does_not_close(chan: Book) -> None:
    place(chan, HoldRequest(BANK, cash("H0003"), Decimal("1.00")))
    with pytest.raises(Exception, match="is not empty"):
        sql("UPDATE ledger_account SET closed_at = now() WHERE owner = 'H0003'")


@pytest.mark.parametrize(
    "request_",
    [
        HoldRequest(cash(CHAN), cash(CHAN), Decimal("1.00")),
        HoldRequest(cash(CHAN), custody(), Decimal("1.00")),
        HoldRequest(pledged(CHAN), custody("BTC", "CCASS"), Decimal("1")),
    ],
    ids=["one account", "two assets", "two places"],
)
def test_a_hold_lies_between_two_accounts_of_one_asset_and_place(chan: Book, request_: HoldRequest) -> None:
    with pytest.raises(Invalid) as refused:
        place(chan, request_)
    assert refused.value.reason == "hold_shape"


def test_groups_have_a_limit_that_the_refusal_names(chan: Book) -> None:
    for requests in ([], [pay("0.01")] * (HOLDS_PER_GROUP_MAX + 1)):
        with pytest.raises(Invalid) as refused:
            place(chan, *requests)
        assert (refused.value.reason, refused.value.details["limit"]) == ("group_size", HOLDS_PER_GROUP_MAX)
    assert len(place(chan, *[pay("0.01")] * HOLDS_PER_GROUP_MAX)) == 100
    assert held(chan, cash(CHAN)) == (100, 0)


def test_words_that_do_not_fit_are_refused(chan: Book) -> None:
    for fields, code in (
        ({"key": ""}, "key_required"),
        ({"key": "k" * 201}, "too_long"),
        ({"key": "k\0"}, "nul"),
    ):
        with pytest.raises(Invalid) as refused:
            one(chan, **fields)
        assert (refused.value.field, refused.value.reason) == ("key", code)
    with pytest.raises(Invalid) as long:
        place(chan, pay("1.00", reason="r" * 201))
    assert (long.value.field, long.value.reason) == ("reason", "too_long")


def test_another_book_does_not_reach_a_group(chan: Book) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Securities")
    hold = one(chan)
    for group_id, book in ((hold.pk, peak), (uuid7(), chan)):
        with pytest.raises(NotFound):
            holds.post_group(book, group_id, key="s1", actor="ops")


def test_a_key_places_once_and_answers_with_what_it_placed(chan: Book) -> None:
    with clock.override(NOON):
        first = place(chan, pay("10.00"), deliver("1"), expires_at=NOON + HOUR)
    with clock.override(NOON + 2 * HOUR):
        # A retry comes late, in other spelling and with other words about it.
        retried = holds.place(
            chan, [pay("10"), deliver("1.0")], key="h1", actor="another", expires_at=NOON + HOUR
        )
    assert (retried.is_replay, [h.pk for h in retried.holds]) == (True, [h.pk for h in first])
    assert held(chan, cash(CHAN)) == (1000, 0)


@pytest.mark.parametrize(
    ("other", "fields", "differing"),
    [
        ([pay("10.01"), deliver("1")], {}, ["quantity"]),
        ([pay("10.00", LEE), deliver("1")], {}, ["debit"]),
        ([pay("10.00", to=cash(LEE)), deliver("1")], {}, ["credit"]),
        ([pay("10.00"), deliver("1")], {"expires_at": datetime(2099, 1, 1, tzinfo=UTC)}, ["expires_at"]),
        ([pay("10.00")], {}, ["credit", "debit", "quantity"]),
        ([deliver("1"), pay("10.00")], {}, ["credit", "debit", "quantity"]),
    ],
)
def test_a_key_with_another_body_is_refused_and_the_difference_named(
    chan: Book, other: list[HoldRequest], fields: dict[str, Any], differing: list[str]
) -> None:
    place(chan, pay("10.00"), deliver("1"))
    with pytest.raises(KeyReused, match=", ".join(differing)) as refused:
        place(chan, *other, **fields)
    assert refused.value.details["differing"] == differing


def test_a_key_posts_once_and_answers_with_what_it_posted(chan: Book) -> None:
    hold = one(chan, "40.00")
    first = holds.post_hold(hold, quantity=Decimal("40.00"), key="s1", actor="ops")
    again = holds.post_hold(hold, quantity=Decimal("40"), key="s1", actor="another")

    assert (again.is_replay, again.journal_ids) == (True, first.journal_ids)
    assert told(hold) == ("posted", 4000)
    assert topics(hold) == ["ledger.hold.placed", "ledger.hold.posted"]


@pytest.mark.parametrize(
    ("fields", "differing"),
    [
        ({"quantity": Decimal("14.00")}, ["quantity"]),
        ({"quantity": None}, ["quantity"]),
        ({"then_release": True}, ["then_release"]),
        ({"value_on": date(2022, 5, 13)}, ["value_on"]),
        ({"kind": "settlement"}, ["kind"]),
        ({"cause": "order:7"}, ["cause"]),
    ],
)
def test_a_posting_key_with_another_body_is_refused_and_the_difference_named(
    chan: Book, fields: dict[str, Any], differing: list[str]
) -> None:
    hold = one(chan, "40.00")
    said = {"quantity": Decimal("15.00"), "value_on": date(2022, 5, 12), "key": "s1", "actor": "ops"}
    holds.post_hold(hold, **said)  # type: ignore[arg-type]

    with pytest.raises(KeyReused) as refused:
        holds.post_hold(hold, **(said | fields))  # type: ignore[arg-type]

    assert refused.value.details["differing"] == differing
    assert told(hold) == ("active", 1500)


def test_a_key_of_another_journal_posts_no_hold(chan: Book) -> None:
    hold = one(chan, "40.00")
    with pytest.raises(KeyReused) as refused:
        holds.post_hold(hold, key="d1", actor="ops")
    assert "hold" in refused.value.details["differing"]
    assert told(hold) == ("active", 0)


def test_a_hold_of_a_house_account_is_posted_on_the_slot_it_was_placed_on(
    chan: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither is the slot that took what stands on the account so far.
    slot, another = (slot_of_process() + 1) % 16, (slot_of_process() + 2) % 16
    monkeypatch.setattr("ledger.accounts.slot_of_process", lambda: slot)
    hold = one(chan, "40.00")
    monkeypatch.setattr("ledger.accounts.slot_of_process", lambda: another)

    holds.post_hold(hold, key="s1", actor="ops")

    assert hold.credit_account.slot == slot
    assert Balance.objects.get(account=hold.credit_account).net_atoms == -4000


def test_what_a_hold_keeps_is_not_there_for_the_journals_before_its_posting(chan: Book) -> None:
    """Ms Chan has 100.00 of which 80.00 are held; what is paid in and out around the posting is judged in its order."""
    hold = one(chan, "80.00")
    of_hold = posting.JournalRequest(
        "s1",
        "hold_posting",
        (
            debit(cash(CHAN), Decimal("80.00")),
            credit(AccountKey.exactly(hold.credit_account), Decimal("80.00")),
        ),
        DAY,
        hold=hold.pk,
    )

    early, paid_in, posted, late = posting.post_each(
        chan,
        [cash_out("w1", CHAN, "25.00"), cash_in("d3", CHAN, "10.00"), of_hold, cash_out("w2", CHAN, "29.00")],
        actor="ops",
    )

    assert isinstance(early, posting.Refused)
    assert isinstance(early.refusal, InsufficientBalance)
    assert all(isinstance(outcome, posting.Posted) for outcome in (paid_in, posted, late))
    assert standing(chan) == (Decimal("1.00"), Decimal("0.00"), Decimal("1.00"))
    assert told(hold) == ("posted", 8000)


def test_a_posting_in_a_closed_period_is_refused_and_the_hold_stays(chan: Book) -> None:
    hold = one(chan, "40.00")
    changed(chan, "close", date(2022, 5, 31))
    with pytest.raises(posting.PeriodClosed):
        holds.post_hold(hold, key="s1", actor="ops", value_on=date(2022, 5, 12))
    assert told(hold) == ("active", 0)
