"""What issuers give to those who hold their shares: dividends and bonus shares, due first and then paid."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from ledger.core.errors import Conflict
from ledger.corporate_actions import hooks
from ledger.corporate_actions.actions import carry_out, progress_of
from ledger.models import Asset, Book, CorporateAction
from ledger.tasks import apply_corporate_actions
from tests.ledger.books import account_id, move, pledge

from .issuers import (
    CHAN,
    EX,
    PAY,
    RECORD,
    announced,
    booked,
    dividend,
    findings,
    on,
    shares,
    stand,
)

D = Decimal
pytestmark = pytest.mark.django_db


class TestDividend:
    @pytest.fixture
    def hsbc(self, book: Book) -> Book:
        """Chan has pledged 8,000 shares of HSBC."""
        Asset.objects.create(code="00005", name="HSBC", kind=Asset.Kind.SECURITY, scale=0, is_located=True)
        booked(book, [pledge("p1", CHAN, "8000", "00005", "CCASS")])
        return book

    def test_v18_19200_00_is_due_and_counted_when_it_is_paid(self, hsbc: Book) -> None:
        action = dividend(asset="00005")

        with on(RECORD, hour=18), pytest.raises(Conflict, match="has not come"):
            carry_out(action=action)
        with on(date(2026, 4, 9)):
            assert carry_out(action=action).stage == "applied"

        assert stand(hsbc) == {
            "C001 client_collateral 00005 CCASS": D(8000),
            "custody 00005 CCASS": D(8000),
            "unsettled_receivable HKD CCASS": D("19200.00"),
            "C001 unsettled_payable HKD CCASS": D("19200.00"),
        }
        assert findings() == []

        with on(PAY):
            assert carry_out(action=action).stage == "completed"

        assert stand(hsbc) == {
            "C001 client_collateral 00005 CCASS": D(8000),
            "custody 00005 CCASS": D(8000),
            "nostro HKD": D("19200.00"),
            "C001 client_cash HKD": D("19200.00"),
        }
        assert findings() == []

    def test_cents_that_no_holder_gets_are_seen(self, book: Book) -> None:
        booked(book, [pledge(f"p{n}", f"C{n:03}", "1", "00700", "CCASS") for n in range(3)])
        action = dividend(amount="0.015")

        with on(PAY):
            carry_out(action=action)

        # The custodian pays 0.04 on three shares, each holder has 0.01.
        assert stand(book)["nostro HKD"] == D("0.04")
        assert stand(book)["C000 client_cash HKD"] == D("0.01")
        assert stand(book)["suspense HKD CCASS"] == D("0.01")
        assert findings() == []

    def test_what_is_in_sale_earns_too_and_costs_no_cent(self, tencent: Book) -> None:
        action = dividend(amount="0.0333")

        with on(PAY):
            carry_out(action=action)

        assert stand(tencent)["C001 client_cash HKD"] == D("39.96")  # 1,200 shares
        assert stand(tencent)["C002 client_cash HKD"] == D("11.08")

    def test_what_was_sold_before_the_ex_date_earns_the_buyer(self, tencent: Book) -> None:
        booked(
            tencent,
            [
                move(
                    "f1",
                    shares(CHAN, "client_in_sale"),
                    shares("", "unsettled_payable"),
                    "200",
                    value_on=date(2026, 4, 1),
                )
            ],
        )
        with on(PAY):
            carry_out(action=dividend())

        assert stand(tencent)["C001 client_cash HKD"] == D("2400.00")
        assert findings() == []

    def test_what_was_sold_ex_and_is_not_delivered_earns_the_seller(self, tencent: Book) -> None:
        for key, quantity, day in (("f1", "150", EX), ("f2", "50", date(2026, 4, 9))):
            booked(
                tencent,
                [
                    move(
                        key,
                        shares(CHAN, "client_in_sale"),
                        shares("", "unsettled_payable"),
                        quantity,
                        value_on=day,
                    )
                ],
            )
        action = dividend()

        with on(date(2026, 4, 9)):
            carry_out(action=action)

        # 150 were sold ex and await delivery; 50 were sold the day after the record date.
        in_sale = action.entitlements.get(account=account_id(tencent, shares(CHAN, "client_in_sale")))
        assert in_sale.holding_atoms == 200
        assert stand(tencent)["C001 unsettled_payable HKD CCASS"] == D("2880.00")
        assert findings() == []


class TestBonus:
    def test_bonus_shares_are_owed_until_the_pay_date_and_then_pledged(self, tencent: Book) -> None:
        action = announced(kind="bonus", ratio_new=1, ratio_old=20, record_on=RECORD, pay_on=PAY)

        with on(date(2026, 4, 9)):
            carry_out(action=action)

        before = stand(tencent)
        assert before["C001 client_collateral 00700 CCASS"] == 1000
        assert before["C001 unsettled_payable 00700 CCASS"] == 60
        assert before["C002 unsettled_payable 00700 CCASS"] == 16
        assert before["unsettled_receivable 00700 CCASS"] == 76
        assert findings() == []

        with on(PAY):
            carry_out(action=action)

        assert stand(tencent) == {
            "C001 client_collateral 00700 CCASS": D(1060),
            "C001 client_in_sale 00700 CCASS": D(200),
            "C002 client_collateral 00700 CCASS": D(349),
            "custody 00700 CCASS": D(1609),
        }
        assert findings() == []

    def test_in_another_asset_with_cash_for_what_is_left(self, tencent: Book) -> None:
        Asset.objects.create(
            code="02999", name="Tencent warrants", kind=Asset.Kind.SECURITY, scale=0, is_located=True
        )
        action = announced(
            kind="bonus",
            ratio_new=1,
            ratio_old=50,
            other_asset="02999",
            fraction_price="3.00",
            currency="HKD",
            record_on=RECORD,
            pay_on=PAY,
        )

        with on(PAY):
            carry_out(action=action)

        # Chan 24, Lee 6.66: the custodian gives 30 of 30.66 and pays 1.98 for the rest, Lee's 0.66.
        assert stand(tencent) == {
            "C001 client_collateral 00700 CCASS": D(1000),
            "C001 client_in_sale 00700 CCASS": D(200),
            "C002 client_collateral 00700 CCASS": D(333),
            "custody 00700 CCASS": D(1533),
            "C001 client_collateral 02999 CCASS": D(24),
            "C002 client_collateral 02999 CCASS": D(6),
            "custody 02999 CCASS": D(30),
            "C002 client_cash HKD": D("1.98"),
            "nostro HKD": D("1.98"),
        }
        assert findings() == []

    def test_shares_owed_before_a_split_are_delivered_in_new_ones(self, tencent: Book) -> None:
        bonus = announced(kind="bonus", ratio_new=1, ratio_old=20, record_on=RECORD, pay_on=PAY)
        split = announced(reference="2026-0410", ratio_new=5, ratio_old=1, ex_on=date(2026, 4, 10))
        with on(date(2026, 4, 9)):
            carry_out(action=bonus)
        with on(date(2026, 4, 10)):
            assert carry_out(action=split).stage == "completed"
            assert stand(tencent)["C001 client_collateral 00700 CCASS"] == 5000
            assert stand(tencent)["C001 unsettled_payable 00700 CCASS"] == 60
            assert findings() == []
        with on(PAY):
            assert carry_out(action=bonus).stage == "completed"

        # 60 for Chan and 16 for Lee, five for each; the one in twenty that no holder gets was split on suspense.
        assert stand(tencent) == {
            "C001 client_collateral 00700 CCASS": D(5300),
            "C001 client_in_sale 00700 CCASS": D(1000),
            "C002 client_collateral 00700 CCASS": D(1745),
            "custody 00700 CCASS": D(8045),
        }
        assert findings() == []

    def test_a_payment_waits_for_a_split_that_is_due(
        self, tencent: Book, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(action: CorporateAction) -> None:
            if action.kind == "split":
                raise Conflict("An order is at the venue.", code="must_wait")

        monkeypatch.setattr(hooks, "_before", [refuse])
        bonus = announced(kind="bonus", ratio_new=1, ratio_old=20, record_on=RECORD, pay_on=PAY)
        split = announced(reference="2026-0420", ratio_new=5, ratio_old=1, ex_on=PAY)
        with on(PAY):
            apply_corporate_actions()
            assert progress_of(bonus).stage == "applied"
            assert progress_of(split).stage == "waiting"
            monkeypatch.setattr(hooks, "_before", [])
            apply_corporate_actions()
            apply_corporate_actions()

        assert progress_of(bonus).stage == "completed"
        assert stand(tencent)["C001 client_collateral 00700 CCASS"] == 5300
        assert findings() == []
