"""Splits and consolidations at Harbour Securities: every lien kept, nothing gained, nothing lost."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from ledger.accounts import AccountKey
from ledger.core.errors import Conflict
from ledger.core.models import Event
from ledger.corporate_actions import hooks
from ledger.corporate_actions.actions import carry_out, progress_of
from ledger.corporate_actions.splits import since_split
from ledger.freezes import set_freeze
from ledger.holds import HoldRequest, place, release
from ledger.models import Account, Balance, Book, CorporateAction, Entitlement
from ledger.tasks import apply_corporate_actions
from tests.ledger.books import account_id, custody, move, pledge

from .issuers import (
    CHAN,
    EX,
    LEE,
    PAY,
    WONG,
    announced,
    booked,
    consolidation,
    dividend,
    findings,
    journals_of,
    on,
    shares,
    stand,
)

D = Decimal
pytestmark = pytest.mark.django_db


class TestSplit:
    def test_v18_five_for_one_keeps_every_lien(self, tencent: Book) -> None:
        action = announced(ratio_new=5, ratio_old=1)

        with on(EX):
            progress = carry_out(action=action)

        assert progress.stage == "completed"
        assert stand(tencent) == {
            "C001 client_collateral 00700 CCASS": D(5000),
            "C001 client_in_sale 00700 CCASS": D(1000),
            "C002 client_collateral 00700 CCASS": D(1665),
            "custody 00700 CCASS": D(7665),
        }
        assert {journal.value_on for journal in journals_of(action)} == {EX}
        assert findings() == []

    def test_the_journals_are_named_by_action_and_account(self, tencent: Book) -> None:
        action = announced(ratio_new=5, ratio_old=1)
        with on(EX):
            carry_out(action=action)

        holders = (shares(CHAN), shares(CHAN, "client_in_sale"), shares(LEE))
        assert {journal.idempotency_key for journal in journals_of(action)} == {
            f"corporate-action:{action.pk}:{account_id(tencent, holder)}" for holder in holders
        }

    def test_one_event_tells_the_exact_terms(self, tencent: Book) -> None:
        action = announced(ratio_new=5, ratio_old=1)
        with on(EX):
            carry_out(action=action)

        event = Event.objects.get(topic="ledger.corporate_action.applied")
        assert event.subject_id == str(action.pk)
        assert event.payload == {
            "reference": "2026-0402",
            "kind": "split",
            "asset": "00700",
            "given": "00700",
            "location": "",
            "ratio_new": 5,
            "ratio_old": 1,
            "amount": None,
            "fraction_price": None,
            "currency": "",
            "ex_on": "2026-04-02",
            "record_on": None,
            "pay_on": None,
            "accounts": 4,
        }

    def test_a_second_run_changes_nothing(self, tencent: Book) -> None:
        action = announced(ratio_new=5, ratio_old=1)
        with on(EX):
            carry_out(action=action)
            before, journals = stand(tencent), journals_of(action)
            again = carry_out(action=action)

        assert again.stage == "completed"
        assert stand(tencent) == before
        assert journals_of(action) == journals

    def test_before_its_day_it_is_refused(self, tencent: Book) -> None:
        action = announced(ratio_new=5, ratio_old=1)

        with on(date(2026, 4, 1), hour=23), pytest.raises(Conflict) as refused:
            carry_out(action=action)

        assert refused.value.reason == "not_due"
        assert journals_of(action) == []

    def test_only_at_the_place_it_names(self, tencent: Book) -> None:
        booked(tencent, [pledge("p3", WONG, "10", "00700", "VAULT")])
        action = announced(ratio_new=5, ratio_old=1, location="VAULT")

        with on(EX):
            carry_out(action=action)

        assert stand(tencent)["C003 client_collateral 00700 VAULT"] == 50
        assert stand(tencent)["custody 00700 VAULT"] == 50
        assert stand(tencent)["C001 client_collateral 00700 CCASS"] == 1000

    def test_in_every_book_at_once(self, tencent: Book) -> None:
        other = Book.objects.create(code="PEAK", name="Peak Brokers")
        booked(other, [pledge("p1", WONG, "7", "00700", "CCASS")])
        action = announced(ratio_new=5, ratio_old=1)

        with on(EX):
            carry_out(action=action)

        assert stand(other) == {"C003 client_collateral 00700 CCASS": D(35), "custody 00700 CCASS": D(35)}
        assert stand(tencent)["custody 00700 CCASS"] == 7665
        assert findings() == []

    def test_a_consumer_that_fails_undoes_the_whole_split(
        self, tencent: Book, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stumble(action: CorporateAction) -> None:
            assert stand(tencent)["custody 00700 CCASS"] == 7665
            raise RuntimeError("the price table is locked")

        monkeypatch.setattr(hooks, "_after", [stumble])
        action = announced(ratio_new=5, ratio_old=1)

        with on(EX), pytest.raises(RuntimeError, match="price table"):
            carry_out(action=action)

        assert stand(tencent)["custody 00700 CCASS"] == 1533
        assert progress_of(action).stage == "waiting"
        monkeypatch.setattr(hooks, "_after", [])
        with on(EX):
            assert carry_out(action=action).stage == "completed"

    def test_it_waits_for_what_stands_in_the_way(
        self, tencent: Book, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(action: CorporateAction) -> None:
            raise Conflict("An order is at the venue.", code="must_wait")

        monkeypatch.setattr(hooks, "_before", [refuse])
        action = announced(ratio_new=5, ratio_old=1)

        with on(EX), pytest.raises(Conflict, match="An order is at the venue") as refused:
            carry_out(action=action)

        assert refused.value.reason == "must_wait"
        assert not Entitlement.objects.exists()


def test_fractions_are_paid_in_cash_and_nothing_is_lost(tencent: Book) -> None:
    booked(tencent, [pledge("p3", WONG, "1009", "00700", "CCASS")])
    action = consolidation()

    with on(EX):
        progress = carry_out(action=action)

    # 120 + 33.3 + 100.9 = 254.2: the custodian gives 254, holders have 253, and one is sold for the fractions.
    assert progress.stage == "applied"
    assert stand(tencent) == {
        "C001 client_collateral 00700 CCASS": D(100),
        "C001 client_in_sale 00700 CCASS": D(20),
        "C002 client_collateral 00700 CCASS": D(33),
        "C003 client_collateral 00700 CCASS": D(100),
        "custody 00700 CCASS": D(254),
        "suspense 00700 CCASS": D(1),
        # 0.3 and 0.9 of a share at 51.25, down to the cent; the custodian owes 0.2 of one.
        "C002 unsettled_payable HKD CCASS": D("15.37"),
        "C003 unsettled_payable HKD CCASS": D("46.12"),
        "unsettled_receivable HKD CCASS": D("10.25"),
        "suspense HKD CCASS": D("-51.24"),
    }
    assert findings() == []

    with on(PAY):
        assert carry_out(action=action).stage == "completed"

    # Sold at 51.25, the surplus share covers what was paid out; one cent of rounding is the house's to see.
    after = stand(tencent)
    assert after["C002 client_cash HKD"] == D("15.37")
    assert after["C003 client_cash HKD"] == D("46.12")
    assert after["nostro HKD"] == D("10.25")
    assert after["suspense HKD CCASS"] == D("-51.24")
    assert not any("unsettled" in name for name in after)
    assert findings() == []


class TestConsolidation:
    def test_what_one_client_has_in_two_accounts_counts_together(self, book: Book) -> None:
        booked(
            book,
            [
                pledge("p1", CHAN, "30", "00700", "CCASS"),
                move("s1", shares(CHAN), shares(CHAN, "client_in_sale"), "15"),
            ],
        )
        action = consolidation()

        with on(EX):
            carry_out(action=action)

        assert stand(book) == {
            "C001 client_collateral 00700 CCASS": D(1),
            "C001 client_in_sale 00700 CCASS": D(2),
            "custody 00700 CCASS": D(3),
        }

    def test_without_a_price_fractions_are_dropped_and_the_whole_shares_are_seen(self, book: Book) -> None:
        booked(book, [pledge(f"p{n}", f"C{n:03}", "19", "00700", "CCASS") for n in range(5)])
        action = consolidation(fraction_price=None, currency="", pay_on=None)

        with on(EX):
            assert carry_out(action=action).stage == "completed"

        assert stand(book)["custody 00700 CCASS"] == 9
        assert stand(book)["suspense 00700 CCASS"] == 4
        assert findings() == []

    def test_what_the_house_still_owes_the_market_is_consolidated_too(self, tencent: Book) -> None:
        sold = move("f1", shares(CHAN, "client_in_sale"), shares("", "unsettled_payable"), "200")
        booked(tencent, [sold])
        action = consolidation()

        with on(EX):
            carry_out(action=action)

        assert stand(tencent)["unsettled_payable 00700 CCASS"] == 20
        assert "C001 client_in_sale 00700 CCASS" not in stand(tencent)
        assert findings() == []

    def test_shares_left_over_from_an_earlier_action_are_split_as_well(self, book: Book) -> None:
        booked(book, [pledge(f"p{n}", f"C{n:03}", "19", "00700", "CCASS") for n in range(5)])
        with on(EX):
            carry_out(action=consolidation(fraction_price=None, currency="", pay_on=None))
        later = announced(reference="2026-0702", ratio_new=10, ratio_old=1, ex_on=date(2026, 7, 2))

        with on(date(2026, 7, 2)):
            carry_out(action=later)

        assert stand(book)["suspense 00700 CCASS"] == 40
        assert stand(book)["custody 00700 CCASS"] == 90
        assert findings() == []


class TestSlots:
    """A busy house account lies in several slots; what one of them lacks another has."""

    @pytest.fixture
    def seven(self, book: Book) -> Book:
        """Seven shares of the house's on suspense: seventeen in one slot, ten short in another."""
        booked(book, [pledge("p1", CHAN, "100", "00700", "CCASS")])
        slot = [AccountKey("suspense", "00700", location="CCASS", slot=n) for n in (1, 2)]
        booked(
            book,
            [
                move("h1", custody("00700", "CCASS"), slot[0], "17"),
                move("h2", slot[1], custody("00700", "CCASS"), "10"),
            ],
        )
        return book

    def test_each_slot_is_split_where_it_stands(self, seven: Book) -> None:
        with on(EX):
            carry_out(action=announced(ratio_new=5, ratio_old=1))

        slots = Balance.objects.filter(account__role="suspense", account__asset__code="00700")
        assert dict(slots.values_list("account__slot", "net_atoms")) == {1: -85, 2: 50}
        assert stand(seven)["custody 00700 CCASS"] == 535
        assert findings() == []

    def test_a_dividend_is_paid_on_what_stands_in_all_of_them(self, seven: Book) -> None:
        with on(PAY):
            carry_out(action=dividend())

        assert stand(seven)["suspense HKD CCASS"] == D("16.80")
        assert stand(seven)["nostro HKD"] == D("256.80")
        assert findings() == []


class TestOldQuantities:
    def test_what_came_before_a_split_is_told_in_new_shares(self, tencent: Book) -> None:
        for reference, new, old, day in (
            ("one", 5, 1, EX),
            ("two", 1, 3, date(2026, 4, 7)),
            ("elsewhere", 9, 1, date(2026, 4, 8)),
        ):
            place = "VAULT" if reference == "elsewhere" else ""
            action = announced(reference=reference, ratio_new=new, ratio_old=old, ex_on=day, location=place)
            with on(day):
                carry_out(action=action)

        def now(quantity: str, since: date) -> Decimal:
            return since_split(tencent, shares(CHAN), D(quantity), since=since)

        assert now("100", date(2026, 4, 1)) == D(166)
        assert now("100", EX) == D(33)
        assert now("100", date(2026, 4, 7)) == D(100)


class TestOpenHold:
    """A hold is of so many old shares, so its account is split when it has ended."""

    def test_a_held_account_waits_and_its_hold_stays_whole(self, tencent: Book) -> None:
        wish = HoldRequest(shares(LEE), custody("00700", "CCASS"), D(300))
        hold = place(tencent, [wish], key="h1", actor="ops").holds[0]
        action = announced(ratio_new=1, ratio_old=10)

        with on(EX):
            progress = carry_out(action=action)

        assert (progress.pending, progress.booked) == (1, 3)
        assert action.entitlements.get(status="pending").held_up_by == "open_hold"
        assert stand(tencent)["C002 client_collateral 00700 CCASS"] == 333
        assert Balance.objects.get(account=account_id(tencent, shares(LEE))).held_debit_atoms == 300
        assert findings() == []

        release(hold, actor="ops", reason="Not needed")
        with on(EX):
            assert carry_out(action=action).stage == "completed"
        assert stand(tencent)["C002 client_collateral 00700 CCASS"] == 33
        assert findings() == []

    def test_a_dividend_does_not_mind_a_hold(self, tencent: Book) -> None:
        wish = HoldRequest(shares(LEE), custody("00700", "CCASS"), D(300))
        place(tencent, [wish], key="h1", actor="ops")
        with on(PAY):
            assert carry_out(action=dividend()).stage == "completed"
        assert stand(tencent)["C002 client_cash HKD"] == D("799.20")


class TestHeldUp:
    def freeze(self, book: Book, owner: str, mode: str) -> None:
        account = Account.objects.get(pk=account_id(book, shares(owner)))
        set_freeze(account=account, mode=mode, actor="lam", reason="Court order")

    def test_a_frozen_account_waits_and_holds_up_no_other(self, tencent: Book) -> None:
        self.freeze(tencent, LEE, "all")
        action = announced(ratio_new=5, ratio_old=1)

        with on(EX):
            progress = carry_out(action=action)

        assert (progress.stage, progress.pending, progress.booked) == ("applied", 1, 3)
        waiting = action.entitlements.get(status="pending")
        assert waiting.account.owner == LEE
        assert waiting.held_up_by == "account_frozen"
        assert stand(tencent)["C001 client_collateral 00700 CCASS"] == 5000
        assert stand(tencent)["C002 client_collateral 00700 CCASS"] == 333
        assert stand(tencent)["custody 00700 CCASS"] == 6333
        assert findings() == []

    def test_once_thawed_it_is_given_what_was_written_down(self, tencent: Book) -> None:
        self.freeze(tencent, LEE, "all")
        action = announced(ratio_new=5, ratio_old=1)
        with on(EX):
            carry_out(action=action)
            carry_out(action=action)
            assert Event.objects.filter(topic="ledger.corporate_action.held_up").count() == 1
            self.freeze(tencent, LEE, "none")
        with on(date(2026, 4, 9)):
            apply_corporate_actions()

        assert progress_of(action).stage == "completed"
        assert stand(tencent)["C002 client_collateral 00700 CCASS"] == 1665
        assert findings() == []
