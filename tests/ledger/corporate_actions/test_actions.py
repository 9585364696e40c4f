"""How actions are carried out: on their day, late, looked at beforehand, and by the clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import pytest

from ledger.corporate_actions import hooks
from ledger.corporate_actions.actions import carry_out, due_actions, preview, progress_of, written_down
from ledger.models import Account, Book, CorporateAction, Entitlement, Location
from ledger.tasks import apply_corporate_actions
from tests.ledger.books import custody, move, pledge

from .issuers import (
    EX,
    LEE,
    PAY,
    RECORD,
    WONG,
    announced,
    booked,
    dividend,
    findings,
    journals_of,
    on,
    shares,
    stand,
)

D = Decimal
pytestmark = pytest.mark.django_db


class TestLate:
    """Carried out late, an action gives what it would have given on its day."""

    def test_what_came_and_went_after_the_ex_date_is_in_new_shares_already(self, tencent: Book) -> None:
        booked(
            tencent,
            [
                pledge("old", WONG, "10", "00700", "CCASS", value_on=date(2026, 4, 1)),
                pledge("new", WONG, "7", "00700", "CCASS", value_on=EX),
                move("out", shares(LEE), custody("00700", "CCASS"), "33", value_on=EX),
            ],
        )
        with on(date(2026, 4, 7)):
            assert carry_out(action=announced(ratio_new=5, ratio_old=1)).stage == "completed"

        assert stand(tencent)["C003 client_collateral 00700 CCASS"] == 57
        assert stand(tencent)["C002 client_collateral 00700 CCASS"] == 1632
        assert findings() == []

    def test_what_is_no_longer_there_cannot_be_consolidated_and_says_so(self, tencent: Book) -> None:
        booked(tencent, [move("out", shares(LEE), custody("00700", "CCASS"), "333", value_on=EX)])
        action = announced(ratio_new=1, ratio_old=10)

        with on(date(2026, 4, 7)):
            carry_out(action=action)

        [waiting] = action.entitlements.filter(status="pending")
        assert (waiting.account.owner, waiting.held_up_by) == (LEE, "insufficient_balance")
        assert stand(tencent)["C001 client_collateral 00700 CCASS"] == 100
        assert findings() == []

    def test_who_held_at_the_end_of_the_record_date_is_paid(self, tencent: Book) -> None:
        booked(
            tencent,
            [
                pledge("in", WONG, "10", "00700", "CCASS", value_on=RECORD),
                pledge("late", WONG, "90", "00700", "CCASS", value_on=date(2026, 4, 9)),
                move("out", shares(LEE), custody("00700", "CCASS"), "333", value_on=date(2026, 4, 9)),
            ],
        )
        with on(PAY):
            carry_out(action=dividend())

        assert stand(tencent)["C003 client_cash HKD"] == D("24.00")
        assert stand(tencent)["C002 client_cash HKD"] == D("799.20")
        assert findings() == []


class TestPreview:
    def test_it_lists_what_carrying_out_then_does(self, tencent: Book) -> None:
        action = announced(ratio_new=1, ratio_old=10, fraction_price="51.25", currency="HKD", pay_on=PAY)
        figures = ("account_id", "holding_atoms", "entitled_atoms", "change_atoms", "fraction", "cash_atoms")

        def seen(rows: Iterable[Entitlement]) -> list[tuple[object, ...]]:
            ordered = sorted(rows, key=lambda row: row.account_id)
            return [tuple(getattr(row, name) for name in figures) for row in ordered]

        foretold = seen(preview(action))
        assert not Entitlement.objects.exists()
        with on(EX):
            carry_out(action=action)

        assert seen(written_down(action)) == foretold
        assert len(foretold) == 4

    def test_it_opens_no_account(self, tencent: Book) -> None:
        accounts = Account.objects.count()
        preview(dividend())
        assert Account.objects.count() == accounts


class TestClock:
    def test_it_finds_what_is_due_and_no_more(self, tencent: Book) -> None:
        split = announced(ratio_new=5, ratio_old=1)
        paid = dividend(reference="2026-0500")

        def due(day: date) -> list[str]:
            with on(day):
                return [action.reference for action in due_actions()]

        assert due(date(2026, 4, 1)) == []
        assert due(EX) == [split.reference]
        assert due(RECORD) == [split.reference]
        assert due(date(2026, 4, 9)) == [split.reference, paid.reference]
        with on(date(2026, 4, 9)):
            assert apply_corporate_actions() == 2
            assert apply_corporate_actions() == 0
        assert due(PAY) == [paid.reference]
        with on(PAY):
            assert apply_corporate_actions() == 1
            assert apply_corporate_actions() == 0

    def test_an_action_that_fails_stops_no_other(
        self, tencent: Book, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stumble(action: CorporateAction) -> None:
            if action.reference == "bad":
                raise RuntimeError("no price")

        monkeypatch.setattr(hooks, "_after", [stumble])
        bad = announced(reference="bad", ratio_new=5, ratio_old=1)
        good = announced(reference="good", ratio_new=2, ratio_old=1)

        with on(EX), pytest.raises(ExceptionGroup, match="1 corporate actions failed"):
            apply_corporate_actions()

        assert (progress_of(bad).stage, progress_of(good).stage) == ("waiting", "completed")

    def test_where_nobody_holds_anything_it_is_done_at_once(self, book: Book) -> None:
        action = announced(ratio_new=5, ratio_old=1)
        with on(EX):
            assert carry_out(action=action).stage == "completed"
        assert Location.objects.exists()
        assert journals_of(action) == []
