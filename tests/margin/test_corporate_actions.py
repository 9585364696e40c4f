"""V18: a split raises no call and changes no loan; a dividend counts when it is paid, and not before."""

from __future__ import annotations

from datetime import date

import pytest

from ledger import audit
from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.core.errors import Conflict
from ledger.corporate_actions.actions import carry_out, progress_of
from ledger.freezes import set_freeze
from ledger.models import Account, Asset, CorporateAction, Role
from ledger.tasks import apply_corporate_actions
from margin import tasks
from margin.calls import advance_due, review_calls
from margin.explain import replay
from margin.models import Facility, Fill, ForcedSale, MarginCall, PaperOrder, SaleOrder
from margin.sales import execution
from margin.sales.execution import advance_sales
from margin.sales.planning import plan_overdue
from margin.sales.release import approve_sale, submit_for_release
from margin.sales.settlement import settle_due
from margin.valuations import Assessment, assess, run_valuation
from tests.builders import D, World, at, harbour, security, user, v01
from tests.ledger.corporate_actions.issuers import announced

pytestmark = pytest.mark.django_db

NEXT_DAY = "2026-04-09 00:01"


def split(new: int, old: int, on: date, *, asset: str = "00700", **terms: object) -> CorporateAction:
    return announced(asset=asset, ratio_new=new, ratio_old=old, ex_on=on, **terms)


def line(now: Assessment, code: str) -> tuple[object, ...]:
    """Quantity, price, market value and margin value of one asset."""
    [found] = [line for line in now.value.lines if line.holding.code == code]
    return found.holding.quantity, found.holding.price, found.market_value, found.margin_value


def client_of_1200_tencent(*, drawn: str) -> tuple[World, Facility]:
    """Ms Ho draws on 1,200 Tencent at 512.50, which carry 430,500.00."""
    world = harbour()
    with at("2026-04-02 16:30"):
        world.price("00700", "512.50", "2026-04-02 16:08")
        ho = world.client("C002", "Ho Ka Yan")
        world.pledge(ho, s00700="1200")
        world.draw(ho, drawn, purpose="securities")
    return world, ho


class TestV18Split:
    def test_6000_at_102_50_are_615_000_00_and_no_call_is_raised(self):
        world, ho = client_of_1200_tencent(drawn="430500.00")
        action = split(5, 1, date(2026, 4, 8))
        with at("2026-04-07 23:55"):
            before = run_valuation(broker=world.broker)
            assert line(assess(ho), "00700") == (D(1200), D("512.50"), D("615000.00"), D("430500.00"))
            assert review_calls(run=before) == []

        with at("2026-04-08 00:01"):
            apply_corporate_actions()
            after = run_valuation(broker=world.broker)
            assert line(assess(ho), "00700") == (D(6000), D("102.5"), D("615000.00"), D("430500.00"))
            assert review_calls(run=after) == []

        assert progress_of(action).stage == "completed"
        assert not MarginCall.objects.exists()
        figures = ("loan", "market_value", "margin_value", "utilisation", "level")
        assert [getattr(before.valuations.get(), name) for name in figures] == [
            getattr(after.valuations.get(), name) for name in figures
        ]
        assert after.valuations.get().utilisation == D(1)
        assert replay(before.valuations.get())["is_equal"]
        assert replay(after.valuations.get())["is_equal"]
        assert audit.run().findings == ()

    def test_a_market_that_fell_a_cent_calls_just_as_it_would_have(self):
        """The account stands on the edge, so that the test above would see a cent."""
        world, _ho = client_of_1200_tencent(drawn="430500.00")
        split(5, 1, date(2026, 4, 8))
        with at("2026-04-08 10:00"):
            apply_corporate_actions()
            world.price("00700", "102.49", "2026-04-08 09:59")
            [call] = review_calls(run=run_valuation(broker=world.broker))
        assert call.amount.amount == D("42.00")

    def test_a_price_without_an_end_costs_nobody_a_cent(self):
        world, ho = client_of_1200_tencent(drawn="430500.00")
        split(7, 3, date(2026, 4, 8))
        with at("2026-04-08 00:01"):
            apply_corporate_actions()
            assert line(assess(ho), "00700")[2:] == (D("615000.00"), D("430500.00"))
            assert review_calls(run=run_valuation(broker=world.broker)) == []

    @pytest.mark.parametrize(("new", "old"), [(5, 1), (1, 10)])
    def test_a_frozen_client_is_valued_as_if_the_split_had_reached_them(self, new, old):
        world, ho = client_of_1200_tencent(drawn="430500.00")
        account = Account.objects.get(owner="C002", role=Role.CLIENT_COLLATERAL)
        set_freeze(account=account, mode="all", actor="lam", reason="Court order")
        action = split(new, old, date(2026, 4, 8))

        with at("2026-04-08 00:01"):
            assert carry_out(action=action).pending == 1
            assert line(assess(ho), "00700")[2:] == (D("615000.00"), D("430500.00"))
            assert review_calls(run=run_valuation(broker=world.broker)) == []
            set_freeze(account=account, mode="none", actor="lam", reason="Lifted")
            assert carry_out(action=action).stage == "completed"
            assert line(assess(ho), "00700")[2:] == (D("615000.00"), D("430500.00"))

    def test_an_open_call_stays_as_it_was_issued_and_can_be_met(self):
        world, chan = v01()
        with at("2026-04-02 16:30"):
            [call] = review_calls(run=run_valuation(broker=world.broker))
        terms = (call.amount, call.issued_at, call.due_at)
        split(5, 1, date(2026, 4, 3))

        with at("2026-04-03 00:01"):
            apply_corporate_actions()
            world.price("BTC", "95000", "2026-04-03 00:00:30")
            after = run_valuation(broker=world.broker)
            assert review_calls(run=after) == []

        call.refresh_from_db()
        assert (call.amount, call.issued_at, call.due_at) == terms
        assert call.status == MarginCall.Status.ISSUED
        assert after.valuations.get().deficiency == call.valuation.deficiency
        assert assess(chan, at=after.valued_at).value.market_value == D("2513700.00")


class TestSplitUnderASale:
    """HSBC falls to 90.00, Ms Ho's 8,000 are to be sold, and the share is split five for one meanwhile."""

    @pytest.fixture
    def world(self) -> World:
        world = harbour(policy={"target_utilisation": D("0.95")})
        with at("2026-03-23 16:30"):
            world.price("00005", "100.00", "2026-03-23 16:08")
            ho = world.client("C002", "Ho Ka Yan")
            world.pledge(ho, s00005="8000")
            world.draw(ho, "560000.00", purpose="securities")
        with at("2026-03-24 16:30"):
            world.price("00005", "90.00", "2026-03-24 16:08")
            review_calls(run=run_valuation(broker=world.broker))
        with at("2026-03-25 16:10"):
            world.price("00005", "90.00", "2026-03-25 16:08")
            advance_due(broker=world.broker)
        return world

    def released(self, world: World) -> ForcedSale:
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
        return approve_sale(sale=sale, checker=user("lee"), plan_hash=sale.plan_hash)

    def pledged(self, world: World, role: str = Role.CLIENT_COLLATERAL) -> object:
        return holding(world.broker.book, AccountKey(role, "00005", "C002", "CCASS"))

    def test_a_plan_in_old_shares_is_superseded_and_made_anew(self, world):
        with at("2026-03-25 16:30"):
            sale = self.released(world)
            [leg] = sale.legs.all()
        split(5, 1, date(2026, 3, 26), asset="00005")

        with at("2026-03-26 00:01"):
            apply_corporate_actions()
            sale.refresh_from_db()
            assert sale.status == ForcedSale.Status.SUPERSEDED
            assert self.pledged(world) == D(40000)
            tasks.value_accounts()
            [anew] = plan_overdue(broker=world.broker)

        [new_leg] = anew.legs.all()
        # The same sale in new shares, to the same board lot of 400, which is a fifth of what it was.
        assert 5 * (leg.quantity - 400) < new_leg.quantity <= 5 * leg.quantity
        assert audit.run().findings == ()

    @pytest.mark.parametrize("is_at_the_venue", [True, False])
    def test_an_order_in_old_shares_is_taken_off_first(self, world, is_at_the_venue):
        with at("2026-03-26 11:59"):
            world.price("00005", "90.00", "2026-03-26 11:58")
            sale = self.released(world)
            advance_once(sale)
            advance_once(sale)
        order = SaleOrder.objects.get()
        with at("2026-03-26 12:10"):
            # It comes in after the morning session and rests until the afternoon.
            if is_at_the_venue:
                advance_sales(broker=world.broker)
            order.refresh_from_db()
            assert order.status == ("acknowledged" if is_at_the_venue else "new")
            assert self.pledged(world, Role.CLIENT_IN_SALE) == order.quantity
            action = split(5, 1, date(2026, 3, 26), asset="00005")
            with pytest.raises(Conflict, match="is not finished") as waits:
                carry_out(action=action)
            assert waits.value.reason == "must_wait"
            sale.refresh_from_db()
            assert sale.status == ForcedSale.Status.EXECUTING

        with at("2026-03-26 13:01"):
            advance_sales(broker=world.broker)
            order.refresh_from_db()
            assert order.status == SaleOrder.Status.CANCELLED
            assert PaperOrder.objects.filter(is_cancelled=False).count() == 0
            assert self.pledged(world) == D(8000)
            assert advance_sales(broker=world.broker) == 0
            apply_corporate_actions()

        assert self.pledged(world) == D(40000)
        assert self.pledged(world, Role.CLIENT_IN_SALE) == D(0)
        sale.refresh_from_db()
        assert sale.status == ForcedSale.Status.FILLED
        assert SaleOrder.objects.count() == 1
        assert not Fill.objects.exists()
        assert audit.run().findings == ()

    def test_what_was_sold_in_old_shares_is_delivered_in_new_ones(self, world):
        with at("2026-03-26 10:00"):
            world.price("00005", "90.00", "2026-03-26 09:59")
            self.released(world)
            advance_sales(broker=world.broker)
        fill = Fill.objects.get()
        left = 8000 - fill.quantity
        split(5, 1, date(2026, 3, 30), asset="00005")

        with at("2026-03-30 00:01"):
            assert settle_due(broker=world.broker) == 0
            apply_corporate_actions()
            assert self.pledged(world) == 5 * left
            owed = AccountKey(Role.UNSETTLED_PAYABLE, "00005", location="CCASS")
            assert holding(world.broker.book, owed) == 5 * fill.quantity
            assert settle_due(broker=world.broker) == 1

        custody = AccountKey(Role.CUSTODY, "00005", location="CCASS")
        assert holding(world.broker.book, owed) == D(0)
        assert holding(world.broker.book, custody) == 5 * left
        fill.refresh_from_db()
        assert fill.settled_at is not None
        assert audit.run().findings == ()


def advance_once(sale: ForcedSale) -> None:
    """Take the sale one step, as a worker that dies right after it would."""
    execution._step(sale.pk, actor="system")


class TestV18Dividend:
    def test_19_200_00_counts_when_it_is_paid_and_13_440_00_goes_with_the_price(self):
        world, chan = v01()
        action = announced(
            kind="cash_dividend",
            asset="00005",
            amount="2.40",
            currency="HKD",
            ex_on=date(2026, 4, 8),
            record_on=date(2026, 4, 9),
            pay_on=date(2026, 4, 20),
        )
        with at("2026-04-02 16:30"):
            before = assess(chan)
            assert line(before, "00005")[2:] == (D("787200.00"), D("551040.00"))

        with at("2026-04-08 09:31"):
            world.price("00005", "96.00", "2026-04-08 09:30")
            ex = line(assess(chan), "00005")
            assert ex == (D(8000), D("96.00"), D("768000.00"), D("537600.00"))
            assert before.value.lines[0].margin_value - D("537600.00") == D("13440.00")

        with at("2026-04-10 00:01"):
            apply_corporate_actions()
            book = world.broker.book
            due = AccountKey(Role.UNSETTLED_RECEIVABLE, "HKD", location="CCASS")
            assert holding(book, due) == D("19200.00")
            now = assess(chan)
            assert (now.value.cash, line(now, "00005")[3]) == (D("0.00"), D("537600.00"))
            loan = now.value.loan

        with at("2026-04-20 00:01"):
            apply_corporate_actions()
            paid = assess(chan)
            assert paid.value.cash == D("19200.00")
            assert paid.value.loan == loan - D("19200.00")
            assert holding(book, due) == D("0.00")

        assert progress_of(action).stage == "completed"
        assert audit.run().findings == ()


def test_bonus_shares_of_a_new_code_carry_nothing_until_they_are_listed():
    """Regulation 8.14: zero margin until listed, which needs a price and an approved haircut."""
    world, chan = v01()
    Asset.objects.create(code="02999", name="HSBC rights", kind=Asset.Kind.SECURITY, scale=0, is_located=True)
    announced(
        kind="bonus",
        asset="00005",
        other_asset="02999",
        ratio_new=1,
        ratio_old=20,
        ex_on=date(2026, 4, 8),
        record_on=date(2026, 4, 9),
        pay_on=date(2026, 4, 20),
    )
    with at("2026-04-10 00:01"):
        before = assess(chan).value.margin_value
        apply_corporate_actions()
        assert assess(chan).value.margin_value == before
        assert "02999" not in assess(chan).position.holdings()
    with at("2026-04-20 00:01"):
        apply_corporate_actions()
        now = assess(chan)
        assert now.position.pledged["02999"] == D(400)
        assert line(now, "02999") == (D(400), D(0), D("0.00"), D("0.00"))
        run_valuation(broker=world.broker)
    assert audit.run().findings == ()


def test_a_listed_bonus_share_is_valued_at_its_own_price():
    world, chan = v01()
    security("02999", "HSBC RIGHTS", 400)
    with at("2026-04-02 16:30"):
        world.price("02999", "5.00", "2026-04-02 16:08")
    announced(
        kind="bonus",
        asset="00005",
        other_asset="02999",
        ratio_new=1,
        ratio_old=20,
        ex_on=date(2026, 4, 8),
        record_on=date(2026, 4, 8),
        pay_on=date(2026, 4, 9),
    )
    with at("2026-04-09 00:01"):
        apply_corporate_actions()
        # No haircut was approved for it, so it is worth something and carries nothing.
        assert line(assess(chan), "02999") == (D(400), D("5.00"), D("2000.00"), D("0.00"))
