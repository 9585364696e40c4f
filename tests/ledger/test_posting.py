from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from ledger import balances, posting
from ledger.accounts import AccountKey, slot_of_process
from ledger.core.errors import Invalid, Refusal
from ledger.models import Account, Balance, Book, Entry, Journal
from ledger.posting import (
    AccountFrozen,
    InsufficientBalance,
    JournalRequest,
    Leg,
    Posted,
    Refused,
    credit,
    debit,
)

from .books import (
    BANK,
    CAPITAL,
    DAY,
    account_id,
    cash,
    cash_in,
    cash_out,
    custody,
    move,
    pledge,
    pledged,
    sql,
)

pytestmark = pytest.mark.django_db
CHAN, LEE = "H0001", "H0002"


def test_ms_chan_pays_in_and_the_bank_holds_what_she_is_owed(book: Book) -> None:
    posted = posting.post(book, cash_in("d1", CHAN, "100000.00"), actor="ops")

    assert not posted.is_replay
    assert balances.holding(book, cash(CHAN)) == Decimal("100000.00")
    assert balances.holding(book, BANK) == Decimal("100000.00")
    journal = Journal.objects.get(pk=posted.journal_id)
    assert (journal.kind, journal.actor, journal.entry_count, journal.value_on) == ("deposit", "ops", 2, DAY)


def test_a_pledge_of_bitcoin_is_owed_to_her_and_held_in_the_vault(book: Book) -> None:
    posting.post(book, pledge("p1", CHAN, "1.50000001"), actor="ops")

    assert balances.holding(book, pledged(CHAN)) == Decimal("1.50000001")
    assert balances.holding(book, custody()) == Decimal("1.50000001")


def test_a_batch_writes_running_balances_and_versions_in_the_order_given(book: Book) -> None:
    requests = [
        cash_in("d1", CHAN, "300.00"),
        cash_out("w1", CHAN, "120.50"),
        cash_in("d2", LEE, "9.99"),
        cash_in("d3", CHAN, "0.01"),
    ]

    results = posting.post_batch(book, requests, actor="ops")

    keys = [Journal.objects.get(pk=posted.journal_id).idempotency_key for posted in results]
    assert keys == ["d1", "w1", "d2", "d3"]
    entries = Entry.objects.filter(account=account_id(book, cash(CHAN))).order_by("version")
    assert list(entries.values_list("version", "amount_atoms", "balance_atoms")) == [
        (1, -30000, -30000),
        (2, 12050, -17950),
        (3, -1, -17951),
    ]
    assert balances.holding(book, BANK) == Decimal("189.50")


def test_accounts_are_opened_the_first_time_they_are_named_and_found_the_second(book: Book) -> None:
    posting.post(book, cash_in("d1", CHAN, "1.00"), actor="ops")
    posting.post(book, cash_in("d2", CHAN, "1.00"), actor="ops")

    assert Account.objects.filter(book=book).count() == 2
    assert Balance.objects.get(account__owner=CHAN).version == 2


def test_legs_on_one_account_are_merged_and_those_that_cancel_out_are_left_out(book: Book) -> None:
    legs = (
        Leg(BANK, Decimal("70.00")),
        Leg(BANK, Decimal("30.00")),
        Leg(cash(CHAN), Decimal("-100.00")),
        Leg(cash(LEE), Decimal("5.00")),
        Leg(cash(LEE), Decimal("-5.00")),
    )

    posted = posting.post(book, JournalRequest("d1", "deposit", legs, DAY), actor="ops")

    entries = Entry.objects.filter(journal_id=posted.journal_id).order_by("amount_atoms")
    assert list(entries.values_list("amount_atoms", flat=True)) == [-10000, 10000]


def test_an_unbalanced_journal_is_refused_and_leaves_nothing_behind(book: Book) -> None:
    legs = (Leg(BANK, Decimal("100.00")), Leg(cash(CHAN), Decimal("-99.99")))

    with pytest.raises(Invalid, match="does not balance in HKD at any location: off by 1 atoms") as refused:
        posting.post(book, JournalRequest("d1", "deposit", legs, DAY), actor="ops")

    assert refused.value.reason == "unbalanced"
    assert not Journal.objects.exists()
    assert not Account.objects.exists()


def test_shares_cannot_change_place_on_one_side_only(book: Book) -> None:
    posting.post(book, pledge("p1", CHAN, "500", "00700", "CCASS"), actor="ops")

    with pytest.raises(Invalid, match="does not balance in 00700 at"):
        posting.post(
            book, move("t1", custody("00700", "VAULT"), custody("00700", "CCASS"), "500"), actor="ops"
        )

    both_sides = (
        Leg(custody("00700", "VAULT"), Decimal(500)),
        Leg(custody("00700", "CCASS"), Decimal(-500)),
        Leg(pledged(CHAN, "00700", "CCASS"), Decimal(500)),
        Leg(pledged(CHAN, "00700", "VAULT"), Decimal(-500)),
    )
    posting.post(book, JournalRequest("t2", "transfer", both_sides, DAY), actor="ops")
    assert balances.holding(book, pledged(CHAN, "00700", "VAULT")) == 500
    assert balances.holding(book, custody("00700", "CCASS")) == 0


def test_nobody_withdraws_more_than_stands_there(book: Book) -> None:
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")

    with pytest.raises(
        InsufficientBalance, match=f"{CHAN} / Client cash / HKD does not hold enough"
    ) as refused:
        posting.post(book, cash_out("w1", CHAN, "100.01"), actor="ops")

    assert refused.value.details == {
        "account": account_id(book, cash(CHAN)),
        "amount": "10001",
        "balance": "1",
        "held": "0",
    }
    assert balances.holding(book, cash(CHAN)) == Decimal("100.00")


def test_a_batch_may_not_dip_below_a_floor_on_its_way(book: Book) -> None:
    with pytest.raises(InsufficientBalance):
        posting.post_batch(book, [cash_out("w1", CHAN, "50.00"), cash_in("d1", CHAN, "80.00")], actor="ops")

    assert not Journal.objects.exists()


def test_over_spending_in_the_eighteenth_decimal_is_seen(book: Book) -> None:
    posting.post(book, pledge("p1", CHAN, "1.000000000000000001", "ETH"), actor="ops")

    with pytest.raises(InsufficientBalance):
        posting.post(
            book, move("r1", pledged(CHAN, "ETH"), custody("ETH"), "1.000000000000000002"), actor="ops"
        )

    posting.post(book, move("r2", pledged(CHAN, "ETH"), custody("ETH"), "1.000000000000000000"), actor="ops")
    assert balances.holding(book, pledged(CHAN, "ETH")) == Decimal("0.000000000000000001")


@pytest.mark.parametrize(
    "quantity",
    [
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("-Infinity"),
        Decimal("-0"),
        Decimal("0.001"),
        Decimal("1E+400"),
        Decimal("1E+36"),
        Decimal("1E+37") + Decimal("0.00000000000000000000000000000000000001"),
        0.5,
        True,
        "NaN",
    ],
)
def test_what_is_not_exact_is_refused_before_it_reaches_the_books(book: Book, quantity: Decimal) -> None:
    legs = (Leg(BANK, quantity), Leg(CAPITAL, Decimal("-1.00")), Leg(cash(CHAN), Decimal("-1.00")))

    with pytest.raises(Invalid) as refused:
        posting.post(book, JournalRequest("d1", "deposit", legs, DAY), actor="ops")

    assert refused.value.reason == "inexact"
    assert not Journal.objects.exists()


def test_a_balance_that_grows_past_what_the_books_can_hold_is_refused(book: Book) -> None:
    nearly_all = "9" * 36 + ".00"
    posting.post(book, cash_in("d1", CHAN, nearly_all), actor="ops")

    with pytest.raises(Invalid) as refused:
        posting.post(book, cash_in("d2", CHAN, nearly_all), actor="ops")

    assert refused.value.reason == "inexact"


@pytest.mark.parametrize(
    ("account", "field"),
    [
        (AccountKey("client_cash", "DOGE", CHAN), "asset"),
        (AccountKey("client_collateral", "BTC", CHAN, "MATTRESS"), "location"),
        (AccountKey("client_collateral", "BTC", CHAN), "location"),
        (AccountKey("slush_fund", "HKD", CHAN), "role"),
    ],
)
def test_an_unknown_name_is_refused_with_its_field(book: Book, account: AccountKey, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        posting.post(book, move("m1", BANK, account, "1"), actor="ops")

    assert refused.value.field == field


def test_an_unknown_place_is_not_taken_for_no_place(book: Book) -> None:
    posting.post(book, cash_in("d1", CHAN, "1.00"), actor="ops")

    with pytest.raises(Invalid, match="no location MATTRESS"):
        posting.post(
            book, move("m1", BANK, AccountKey("client_cash", "HKD", CHAN, "MATTRESS"), "1"), actor="ops"
        )


def test_a_house_account_named_once_as_a_whole_and_once_by_its_slot_is_one_account(book: Book) -> None:
    posting.post(book, cash_in("d1", CHAN, "1.00"), actor="ops")
    slot = BANK._replace(slot=slot_of_process())

    legs = (debit(BANK, Decimal("3.00")), debit(slot, Decimal("2.00")), credit(cash(CHAN), Decimal("5.00")))
    posted = posting.post(book, JournalRequest("d2", "deposit", legs, DAY), actor="ops")

    assert sorted(Entry.objects.filter(journal=posted.journal_id).values_list("amount_atoms", flat=True)) == [
        -500,
        500,
    ]
    with pytest.raises(Refusal) as refused:
        posting.post(book, move("d3", BANK, slot, "1.00"), actor="ops")
    assert refused.value.reason == "journal_size"


def test_posting_to_known_accounts_is_one_call(
    book: Book, django_assert_num_queries: Callable[..., Any]
) -> None:
    posting.post(book, cash_in("d1", CHAN, "1.00"), actor="ops")

    with django_assert_num_queries(3):  # with the savepoint set and released
        posting.post_batch(book, [cash_in(f"d{n}", CHAN, "1.00") for n in range(2, 9)], actor="ops")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (cash_in("", CHAN, "1.00"), "key_required"),
        (cash_in("k" * 201, CHAN, "1.00"), "too_long"),
        (cash_in("d1", CHAN, "1.00", narrative="n" * 201), "too_long"),
        (JournalRequest("d1", "deposit", (Leg(BANK, Decimal("1.00")),), DAY), "journal_size"),
        (JournalRequest("d1", "deposit", (), DAY), "journal_size"),
        (move("d1", BANK, BANK, "1.00"), "journal_size"),
        (
            JournalRequest(
                "d1", "deposit", tuple(Leg(cash(f"H{n}"), Decimal("0.01")) for n in range(501)), DAY
            ),
            "journal_size",
        ),
    ],
)
def test_a_journal_without_shape_is_refused(book: Book, request_: JournalRequest, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        posting.post(book, request_, actor="ops")

    assert refused.value.reason == reason


def test_an_empty_batch_does_nothing_and_a_huge_one_is_refused(book: Book) -> None:
    assert posting.post_batch(book, [], actor="ops") == []
    with pytest.raises(Invalid, match="at most 5000"):
        posting.post_batch(book, [cash_in("d", CHAN, "1.00")] * 5001, actor="ops")


def test_a_frozen_account_is_refused_on_the_frozen_side_only(book: Book) -> None:
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    Account.objects.filter(owner=CHAN).update(freeze=Account.Freeze.DEBIT)

    posting.post(book, cash_in("d2", CHAN, "1.00"), actor="ops")
    with pytest.raises(AccountFrozen, match=f"{CHAN} / Client cash / HKD is frozen"):
        posting.post(book, cash_out("w1", CHAN, "1.00"), actor="ops")

    Account.objects.filter(owner=CHAN).update(freeze=Account.Freeze.CREDIT)
    posting.post(book, cash_out("w2", CHAN, "1.00"), actor="ops")
    with pytest.raises(AccountFrozen):
        posting.post(book, cash_in("d3", CHAN, "1.00"), actor="ops")

    Account.objects.filter(owner=CHAN).update(freeze=Account.Freeze.ALL)
    with pytest.raises(AccountFrozen):
        posting.post(book, cash_out("w3", CHAN, "1.00"), actor="ops")


def test_posted_on_their_own_a_refused_journal_stops_no_other(book: Book) -> None:
    requests = [
        cash_in("d1", CHAN, "10.00"),
        cash_out("w1", CHAN, "10.01"),
        cash_out("w2", CHAN, "10.00"),
    ]

    first, second, third = posting.post_each(book, requests, actor="ops")

    assert isinstance(first, Posted)
    assert isinstance(second, Refused)
    assert second.refusal.reason == "insufficient_balance"
    assert isinstance(third, Posted)
    assert balances.holding(book, cash(CHAN)) == 0
    assert not Journal.objects.filter(idempotency_key="w1").exists()


def test_standings_give_each_account_on_its_natural_side(book: Book) -> None:
    posting.post_batch(
        book,
        [
            cash_in("d1", CHAN, "10.00"),
            pledge("p1", LEE, "2.5"),
            cash_in("d2", LEE, "5.00"),
            cash_out("w2", LEE, "5.00"),
        ],
        actor="ops",
    )

    theirs = {s.key: s.quantity for s in balances.standings(book, owners=[CHAN, LEE])}
    assert theirs == {cash(CHAN): Decimal("10.00"), pledged(LEE): Decimal("2.5")}
    everything = balances.standings(book, roles=["client_cash"], with_empty=True)
    assert [(s.key.owner, s.quantity, s.version) for s in everything] == [
        (CHAN, Decimal("10.00"), 1),
        (LEE, Decimal("0.00"), 2),
    ]


def test_numbers_of_rows_pass_the_old_limit_of_two_thousand_million(book: Book) -> None:
    for table in ("ledger_account", "ledger_entry", "core_event"):
        sql(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH 3000000000")

    posting.post(book, cash_in("d1", CHAN, "10.00"), actor="ops")
    with pytest.raises(InsufficientBalance):
        posting.post(book, cash_out("w1", CHAN, "11.00"), actor="ops")

    assert min(Entry.objects.values_list("id", "account_id")) >= (3_000_000_000, 3_000_000_000)
    assert balances.holding(book, cash(CHAN)) == Decimal("10.00")


@pytest.mark.django_db(transaction=True)
def test_a_transaction_undone_on_the_connection_does_not_stop_the_next_posting(book: Book) -> None:
    """The driver drops the statements of a session after a rollback."""
    posting.post(book, cash_in("d1", CHAN, "10.00"), actor="ops")
    posting.post(book, cash_in("d2", CHAN, "10.00"), actor="ops")
    with transaction.atomic():
        for n in range(10):
            posting.post(book, cash_in(f"undone{n}", CHAN, "10.00"), actor="ops")
        transaction.set_rollback(True)
    with transaction.atomic():
        posting.post(book, cash_in("d2a", CHAN, "10.00"), actor="ops")

    posting.post(book, cash_in("d3", CHAN, "10.00"), actor="ops")
    [result] = posting.post_each(book, [cash_in("d4", CHAN, "10.00")], actor="ops")

    assert isinstance(result, Posted)
    assert balances.holding(book, cash(CHAN)) == Decimal("50.00")
