"""What a venue may answer about an order, and what becomes of the order and of the sale."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collateral.models import Instrument
from ledger import audit
from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.core import clock
from ledger.core.models import Event
from ledger.models import Role
from margin.calls import advance_due, review_calls
from margin.models import Fill, ForcedSale, SaleOrder
from margin.sales.execution import advance_sales
from margin.sales.planning import plan_overdue
from margin.sales.release import approve_sale, submit_for_release
from margin.sales.venues import Execution, Order, OrderReport, OrderState, VenueUnavailable, venue_for
from margin.sales.venues.paper import PaperVenue
from margin.valuations import run_valuation
from tests.builders import D, World, at, harbour, user

pytestmark = pytest.mark.django_db

NEW, PART, DONE = OrderState.NEW, OrderState.PART_FILLED, OrderState.FILLED


class Answering:
    """A venue that gives the answers it was told to give, the last one again and again."""

    answers: list[OrderReport | type[Exception] | None] = []
    heard: list[str] = []

    def __init__(self, code: str) -> None:
        self.code = code

    def submit(self, order: Order) -> OrderReport:
        answer = self._answer("submit")
        assert answer is not None
        return answer

    def report(self, _client_order_id: str) -> OrderReport | None:
        return self._answer("report")

    def cancel(self, _client_order_id: str) -> OrderReport | None:
        return self._answer("cancel")

    def _answer(self, asked: str) -> OrderReport | None:
        self.heard.append(asked)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, type):
            raise answer
        return answer


@pytest.fixture
def venue(settings):
    """The answers of the exchange, to be written, and what it was asked, to be read."""
    settings.LOMBARD_VENUE_ADAPTERS = {Instrument.Venue.SEHK.value: f"{__name__}.Answering"}
    Answering.answers, Answering.heard = [None], []
    return Answering


@pytest.fixture
def world():
    """Ms Ho's call on her 8,000 HSBC is overdue at 90.00 on 25 March, and what cures her is released for sale."""
    world = harbour(policy={"target_utilisation": D("0.95")})
    with at("2026-03-23 16:30"):
        world.price("00005", "100.00", "2026-03-23 16:08")
        ho = world.client("C002", "Ho Ka Yan")
        world.pledge(ho, s00005="8000")
        world.draw(ho, "560000.00", purpose="securities")
    with at("2026-03-24 16:30"):
        world.price("00005", "90.00", "2026-03-24 16:08")
        review_calls(run=run_valuation(broker=world.broker))
    with at("2026-03-25 15:00"):
        world.price("00005", "90.00", "2026-03-25 14:59")
        advance_due(broker=world.broker)
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
        approve_sale(sale=sale, checker=user("lee"), plan_hash=sale.plan_hash)
    return world


def traded(number: int, quantity: str, price: str = "90.00") -> Execution:
    return Execution(f"X{number}", D(quantity), D(price), clock.now())


def in_sale(world: World) -> object:
    return holding(world.broker.book, AccountKey(Role.CLIENT_IN_SALE, "00005", "C002", "CCASS"))


def only_order() -> SaleOrder:
    return SaleOrder.objects.get()


def test_a_rejection_frees_the_shares_keeps_its_reason_and_is_not_repeated_at_once(world, venue):
    venue.answers = [None, OrderReport(OrderState.REJECTED, reason="wrong_tick", venue_reference="R1")]
    with at("2026-03-25 15:00"):
        advance_sales(broker=world.broker)
        order = only_order()
        assert (order.status, order.reason, order.venue_reference) == ("rejected", "wrong_tick", "R1")
        assert in_sale(world) == 0
        assert Event.objects.get(topic="margin.sale.rejected_order").reason == "wrong_tick"
        assert advance_sales(broker=world.broker) == 0
    with at("2026-03-25 15:04:59"):
        assert advance_sales(broker=world.broker) == 0
    with at("2026-03-25 15:05"):
        venue.answers = [None, OrderReport(OrderState.REJECTED, reason="wrong_tick")]
        advance_sales(broker=world.broker)
        assert SaleOrder.objects.count() == 2
    assert audit.run().findings == ()


def test_after_three_rejections_the_sale_ends_and_says_why(world, venue):
    for minute in ("15:00", "15:05", "15:10", "15:15"):
        venue.answers = [None, OrderReport(OrderState.REJECTED, reason="other")]
        with at(f"2026-03-25 {minute}"):
            advance_sales(broker=world.broker)
    assert SaleOrder.objects.count() == 3
    assert ForcedSale.objects.get().status == ForcedSale.Status.FILLED
    ended = Event.objects.get(topic="margin.sale.filled")
    assert ended.reason == "the venue takes no order for the rest"


def test_an_unknown_order_is_asked_about_and_never_sent_again(world, venue):
    venue.answers = [None, VenueUnavailable]
    with at("2026-03-25 15:00"):
        advance_sales(broker=world.broker)
        assert only_order().status == SaleOrder.Status.UNKNOWN
        venue.answers, venue.heard[:] = [OrderReport(OrderState.UNKNOWN)], []
        assert advance_sales(broker=world.broker) == 0
        assert set(venue.heard) == {"report"}
        whole = only_order().quantity
        venue.answers = [OrderReport(DONE, (traded(1, whole),), filled_quantity=whole)]
        advance_sales(broker=world.broker)
    assert only_order().status == SaleOrder.Status.FILLED
    assert Fill.objects.get().quantity == whole


def test_an_order_is_not_over_before_every_trade_of_it_was_told(world, venue):
    """Cancelled with 800 done, says the venue, and tells the second trade of 400 a minute late."""
    resting = OrderReport(NEW, venue_reference="R1")
    venue.answers = [None, resting]
    with at("2026-03-25 15:00"):
        advance_sales(broker=world.broker)
        first = OrderReport(
            OrderState.CANCELLED, (traded(1, "400"),), filled_quantity=D(800), reason="end_of_session"
        )
        venue.answers = [first]
        advance_sales(broker=world.broker)
        order = only_order()
        assert (order.status, order.filled_quantity) == ("part_filled", D(400))
        assert in_sale(world) == order.quantity - 400
        assert order.venue_reference == "R1"
    with at("2026-03-25 15:01"):
        # The late one comes alone, and the one before it twice.
        late = replace(first, executions=(traded(2, "400"), *first.executions, *first.executions))
        venue.answers = [late, None, VenueUnavailable]
        advance_sales(broker=world.broker)
    order = SaleOrder.objects.order_by("pk").first()
    assert (order.status, order.filled_quantity) == ("cancelled", D(800))
    assert sorted(Fill.objects.values_list("execution_id", "quantity")) == [("X1", D(400)), ("X2", D(400))]
    second = SaleOrder.objects.order_by("pk").last()
    assert (second.slice_number, second.status) == (2, "unknown")
    assert in_sale(world) == second.quantity
    assert audit.run().findings == ()


@pytest.mark.parametrize(
    ("trades", "problem"),
    [
        ([("1", "8000")], "8000 executed of"),
        ([("1", "400"), ("1", "800")], "one execution id, two trades"),
        ([("1", "0")], "an execution of nothing"),
    ],
)
def test_a_report_that_cannot_be_true_is_told_and_books_nothing(world, venue, trades, problem):
    with at("2026-03-25 15:00"):
        executions = tuple(traded(int(number), quantity) for number, quantity in trades)
        venue.answers = [None, OrderReport(PART, executions)]
        advance_sales(broker=world.broker)
        assert advance_sales(broker=world.broker) == 0
    assert only_order().status == SaleOrder.Status.SENT
    assert not Fill.objects.exists()
    told = Event.objects.get(topic="margin.sale.contradicted_order")
    assert told.reason.startswith(problem)
    with at("2026-03-25 15:10"):
        venue.answers = [OrderReport(OrderState.CANCELLED, reason="end_of_session")]
        assert advance_sales(broker=world.broker) == 1
        assert only_order().status == SaleOrder.Status.CANCELLED
        assert in_sale(world) == 0


def test_an_execution_that_changes_its_terms_is_told_and_the_booked_one_stands(world, venue):
    with at("2026-03-25 15:00"):
        venue.answers = [None, OrderReport(PART, (traded(1, "400"),))]
        advance_sales(broker=world.broker)
        venue.answers = [OrderReport(PART, (traded(1, "400", "89.00"),))]
        advance_sales(broker=world.broker)
    assert Fill.objects.get().price == D("90.00")
    told = Event.objects.get(topic="margin.sale.contradicted_order")
    assert told.reason == "execution X1 was booked as another trade"


def test_an_adapter_that_breaks_is_tried_for_each_sale_all_the_same(world, venue):
    with at("2026-03-25 15:00"):
        chu = world.client("C003", "Chu Wai")
        world.price("00005", "100.00", "2026-03-25 14:59:01")
        world.pledge(chu, s00005="8000")
        world.draw(chu, "560000.00", purpose="securities")
        world.price("00005", "69.00", "2026-03-25 14:59:02")
        review_calls(run=run_valuation(broker=world.broker))
        [second] = plan_overdue(broker=world.broker)
        submit_for_release(sale=second, maker=user("wong"))
        approve_sale(sale=second, checker=user("lee"), plan_hash=second.plan_hash)
        venue.answers = [ZeroDivisionError]
        with pytest.raises(ExceptionGroup, match="2 sales could not be worked"):
            advance_sales(broker=world.broker)
    assert SaleOrder.objects.filter(status="sent").count() == 2


def test_an_order_is_named_by_its_firm_so_that_another_firms_client_may_bear_the_same_number(world, venue):
    with at("2026-03-25 15:00"):
        venue.answers = [None, VenueUnavailable]
        advance_sales(broker=world.broker)
    assert only_order().client_order_id == "HARBOUR-FS-C002-1-1-1-1"


def test_the_paper_venue_is_one_adapter_of_many(settings):
    settings.LOMBARD_VENUE_ADAPTERS = {Instrument.Venue.SEHK.value: f"{__name__}.Answering"}
    assert isinstance(venue_for(Instrument.Venue.SEHK), Answering)
    assert isinstance(venue_for(Instrument.Venue.VATP), PaperVenue)
