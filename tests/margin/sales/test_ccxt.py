"""A trading venue by ccxt, on loopback: HashKey's answers as it writes them, and OKX's where the two differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction

from ledger import audit
from ledger.core import clock
from margin.calls import advance_due, review_calls
from margin.models import Fill, SaleOrder, VenueOrder
from margin.sales.execution import advance_sales
from margin.sales.planning import plan_overdue
from margin.sales.release import approve_sale, submit_for_release
from margin.sales.venues import Order, OrderReport, OrderState, VenueUnavailable, venue_for
from margin.sales.venues import ccxt as adapter
from margin.sales.venues.ccxt_settings import check_configuration
from margin.valuations import run_valuation
from tests.answers import Answer, Answers, Asked, serve
from tests.builders import D, at, harbour, user, v01
from tests.ledger.books import sql

pytestmark = pytest.mark.django_db

SAMPLES = Path(__file__).parents[2] / "collateral" / "venue_samples"
ORDER = Order("FS-C001-1-1-1-1", "BTC", D("0.712345678"), D("69300.001"))
NOON = "2026-04-08 15:00"
TRADED_AT = 1775631600000


@dataclass
class HashKey:
    """HashKey as it was seen: its forms are those of its answers, its book is what a story writes into it."""

    answers: Answers
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)
    is_reply_lost: bool = False
    refusal: Answer | None = None

    def open(self) -> None:
        self.answers.give("/api/v1/exchangeInfo", (SAMPLES / "hashkey_info.json").read_text())
        self.answers.give("/api/v1/spot/order", self.create, method="POST")
        self.answers.give("/api/v1/spot/order", self.find)
        self.answers.give("/api/v1/spot/order", self.take_off, method="DELETE")
        self.answers.give(
            "/api/v1/account/trades",
            lambda asked: Answer(
                [t for t in self.trades if t["clientOrderId"] == asked.parameters["clientOrderId"]]
            ),
        )

    def create(self, asked: Asked) -> Answer:
        given = asked.parameters
        if self.refusal:
            return self.refusal
        if given["newClientOrderId"] in self.orders:
            return Answer({"code": "-1141", "msg": "Duplicate order"}, 400)
        self.orders[given["newClientOrderId"]] = {
            "accountId": "1732885739589466112", "exchangeId": "301", "symbol": given["symbol"],
            "symbolName": given["symbol"], "clientOrderId": given["newClientOrderId"],
            "orderId": f"17387050362{len(self.orders):08}", "price": given["price"], "origQty": given["quantity"],
            "executedQty": "0", "cummulativeQuoteQty": "0", "cumulativeQuoteQty": "0", "avgPrice": "0",
            "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": "SELL", "stopPrice": "0.0",
            "icebergQty": "0.0", "time": str(TRADED_AT), "updateTime": str(TRADED_AT), "isWorking": True,
            "reqAmount": "0", "feeCoin": "", "feeAmount": "0", "sumFeeAmount": "0",
        }  # fmt: skip
        return Answer(is_lost=True) if self.is_reply_lost else Answer(self.orders[given["newClientOrderId"]])

    def find(self, asked: Asked) -> Answer:
        order = self.orders.get(asked.parameters["origClientOrderId"])
        return Answer(order) if order else Answer({"code": "0211", "msg": "Order not found"}, 400)

    def take_off(self, asked: Asked) -> Answer:
        order = self.orders.get(asked.parameters["clientOrderId"])
        if order is None:
            return Answer({"code": "-1143", "msg": "Order not found on order book"}, 400)
        if order["status"] == "FILLED":
            return Answer({"code": "-1139", "msg": "Order has been filled"}, 400)
        order["status"] = "CANCELED"
        return Answer(order)

    def trade(self, quantity: str, price: str, *, status: str = "PARTIALLY_FILLED") -> None:
        """Let the only order trade at the venue."""
        [order] = self.orders.values()
        order["status"] = status
        order["executedQty"] = f"{D(order['executedQty']) + D(quantity):f}"
        self.trades.append(
            {
                "id": f"173935255286296473{len(self.trades)}", "clientOrderId": order["clientOrderId"],
                "ticketId": "1739352552795029504", "symbol": order["symbol"], "symbolName": order["symbol"],
                "orderId": order["orderId"], "matchOrderId": "0", "price": price, "qty": quantity,
                "commission": "0.0000012", "commissionAsset": "USD", "time": str(TRADED_AT), "isBuyer": False,
                "isMaker": False, "fee": {"feeCoinId": "USD", "feeCoinName": "USD", "fee": "0.0000012"},
                "feeCoinId": "USD", "feeAmount": "0.0000012", "makerRebate": "0",
            }
        )  # fmt: skip


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    opened = adapter.open_venue

    def open_unhurried(*arguments: Any, **options: Any) -> Any:
        client = opened(*arguments, **options)
        client.enableRateLimit = False
        client.timeout = 2_000
        return client

    monkeypatch.setattr(adapter, "open_venue", open_unhurried)
    adapter._clients.clear()
    with serve() as running:
        yield running


def use(settings: Any, answers: Answers, venue: str) -> None:
    settings.LOMBARD_VENUE_ADAPTERS = {"vatp": "margin.sales.venues.ccxt.CcxtVenue"}
    settings.LOMBARD_CCXT_VENUES = {
        "vatp": {"venue": venue, "symbols": {"BTC": "BTC/USD"}, "url": answers.url}
    }
    settings.LOMBARD_CCXT_CREDENTIALS = {"vatp": {"apiKey": "key", "secret": "secret", "password": "word"}}


@pytest.fixture
def hashkey(answers: Answers, settings: Any) -> HashKey:
    use(settings, answers, "hashkey")
    running = HashKey(answers)
    running.open()
    return running


def told(report: OrderReport | None) -> tuple[object, ...]:
    assert report is not None
    return (
        report.state.value,
        [(f"{one.quantity}", f"{one.price}") for one in report.executions],
        report.is_final,
    )


def test_an_order_goes_out_once_at_the_step_and_tick_of_the_venue(hashkey: HashKey) -> None:
    venue = venue_for("vatp")
    with at(NOON):
        assert venue.report(ORDER.client_order_id) is None
        assert hashkey.answers.asked == []
        assert told(venue.submit(ORDER)) == ("new", [], False)
        assert told(venue.submit(ORDER)) == ("new", [], False)
    [sent] = hashkey.answers.of("/api/v1/spot/order", "POST")
    assert {key: sent.parameters[key] for key in ("symbol", "side", "type", "quantity", "price")} == {
        "symbol": "BTCUSD",
        "side": "SELL",
        "type": "LIMIT",
        # Down to the step and up to the tick: never more, never below what was released.
        "quantity": "0.71234",
        "price": "69300.01",
    }
    assert sent.headers["X-HK-APIKEY"] == "key"
    row = VenueOrder.objects.get()
    assert (row.quantity, row.limit_price, row.reference) == (
        D("0.71234"),
        D("69300.01"),
        "1738705036200000000",
    )
    assert sent.parameters["newClientOrderId"] == row.venue_order_id


def test_a_part_fill_and_the_rest_are_told_trade_by_trade(hashkey: HashKey) -> None:
    venue = venue_for("vatp")
    with at(NOON):
        venue.submit(ORDER)
        hashkey.trade("0.3", "69310.120000000000000001")
        part = venue.report(ORDER.client_order_id)
        assert told(part) == ("part_filled", [("0.3", "69310.120000000000000001")], False)
        hashkey.trade("0.41234", "69305.5", status="FILLED")
        whole = venue.report(ORDER.client_order_id)
        again = venue.report(ORDER.client_order_id)
    assert told(whole)[0::2] == ("filled", True)
    assert whole == again
    assert {one.execution_id for one in whole.executions} == {  # type: ignore[union-attr]
        "BTC/USD:1739352552862964730",
        "BTC/USD:1739352552862964731",
    }


def test_a_filled_order_whose_trades_are_late_is_not_over(hashkey: HashKey) -> None:
    venue = venue_for("vatp")
    with at(NOON):
        venue.submit(ORDER)
        hashkey.trade("0.71234", "69305.5", status="FILLED")
        late, hashkey.trades = hashkey.trades, []
        assert told(venue.report(ORDER.client_order_id)) == ("filled", [], False)
        hashkey.trades = late
        assert told(venue.report(ORDER.client_order_id))[2]


def test_a_reply_lost_after_acceptance_is_asked_about_and_not_sent_again(hashkey: HashKey) -> None:
    venue, hashkey.is_reply_lost = venue_for("vatp"), True
    with at(NOON):
        with pytest.raises(VenueUnavailable):
            venue.submit(ORDER)
        hashkey.trade("0.71234", "69305.5", status="FILLED")
        assert told(venue.report(ORDER.client_order_id))[2]
        assert told(venue.submit(ORDER))[2]
    assert len(hashkey.answers.of("/api/v1/spot/order", "POST")) == 1


def test_what_the_venue_denies_counts_as_never_sent_only_after_a_minute(hashkey: HashKey) -> None:
    venue = venue_for("vatp")
    hashkey.refusal = Answer(is_lost=True)
    with at(NOON):
        with pytest.raises(VenueUnavailable):
            venue.submit(ORDER)
        assert told(venue.report(ORDER.client_order_id))[0] == "unknown"
        assert told(venue.submit(ORDER))[0] == "unknown"
    hashkey.refusal = None
    with at("2026-04-08 15:01"):
        assert venue.report(ORDER.client_order_id) is None
        assert told(venue.submit(ORDER))[0] == "new"
        assert VenueOrder.objects.get().attempts == 2
        # What was confirmed once and is denied later is a riddle, and no reason to sell again.
        hashkey.orders.clear()
    with at("2026-04-08 16:00"):
        assert told(venue.report(ORDER.client_order_id))[0] == "unknown"
        assert told(venue.submit(ORDER))[0] == "unknown"
    assert len(hashkey.answers.of("/api/v1/spot/order", "POST")) == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [("0401", "Insufficient asset"), ("-1132", "Order price greater"), ("-1151", "not open yet")],
)
def test_a_rejection_says_why(hashkey: HashKey, code: str, reason: str) -> None:
    hashkey.refusal = Answer({"code": code, "msg": reason}, 400)
    with at(NOON):
        report = venue_for("vatp").submit(ORDER)
    assert (report.state, report.is_final) == (OrderState.REJECTED, True)
    assert reason in report.reason


def test_a_duplicate_that_another_worker_sent_is_the_same_order(hashkey: HashKey) -> None:
    venue = venue_for("vatp")
    with at(NOON):
        venue.submit(ORDER)
        hashkey.trade("0.1", "69305.5")
        # The other worker had taken the right to send before it was confirmed.
        sent = VenueOrder.objects.get()
        assert told(venue._send(sent)) == ("part_filled", [("0.1", "69305.5")], False)  # type: ignore[attr-defined]
    assert len(hashkey.orders) == 1


def test_a_cancel_that_races_a_fill_tells_what_was_done(hashkey: HashKey) -> None:
    venue = venue_for("vatp")
    with at(NOON):
        assert venue.cancel(ORDER.client_order_id) is None
        venue.submit(ORDER)
        hashkey.trade("0.71234", "69305.5", status="FILLED")
        assert told(venue.cancel(ORDER.client_order_id)) == ("filled", [("0.71234", "69305.5")], True)


def test_a_cancel_leaves_what_was_traded_and_is_not_over_while_it_is_pending(hashkey: HashKey) -> None:
    venue = venue_for("vatp")
    with at(NOON):
        venue.submit(ORDER)
        hashkey.trade("0.3", "69310", status="PENDING_CANCEL")
        assert told(venue.report(ORDER.client_order_id)) == ("part_filled", [("0.3", "69310")], False)
        assert told(venue.cancel(ORDER.client_order_id)) == ("cancelled", [("0.3", "69310")], True)


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"code": "0003", "msg": "Rate limit exceeded"}, 429),
        Answer({"code": "0002", "msg": "Incorrect signature"}, 401),
        Answer("<html>bad gateway</html>", 502),
        Answer({"code": "-1146", "msg": "Order creation timeout"}, 400),
        Answer({"code": "-99999", "msg": "Something else"}, 400),
        Answer(is_lost=True),
    ],
    ids=["rate limit", "our key", "gateway", "timed out inside", "unheard of", "dead line"],
)
def test_what_is_no_answer_leaves_the_order_unknown(hashkey: HashKey, answer: Answer) -> None:
    hashkey.refusal = answer
    with at(NOON):
        with pytest.raises(VenueUnavailable):
            venue_for("vatp").submit(ORDER)
        assert told(venue_for("vatp").report(ORDER.client_order_id))[0] == "unknown"


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Order("A", "BTC", D("0.0000099"), D("69300")), "wrong_quantity"),
        (Order("B", "ETH", D("1"), D("3000")), "unknown_symbol"),
    ],
)
def test_what_the_venue_could_not_take_is_not_sent(hashkey: HashKey, order: Order, reason: str) -> None:
    with at(NOON):
        report = venue_for("vatp").submit(order)
    assert (report.state, report.reason) == (OrderState.REJECTED, reason)
    assert not VenueOrder.objects.exists()
    assert hashkey.answers.of("/api/v1/spot/order", "POST") == []


def test_okx_finds_its_orders_by_our_id_too(answers: Answers, settings: Any) -> None:
    use(settings, answers, "okx")
    answers.give("/api/v5/public/instruments", (SAMPLES / "okx_instruments.json").read_text())
    ours = adapter.venue_order_id("vatp", ORDER.client_order_id)
    answers.give(
        "/api/v5/trade/batch-orders",
        {"code": "0", "msg": "", "data": [
            {"clOrdId": ours, "ordId": "312269865356374016", "tag": "", "sCode": "0", "sMsg": ""}]},
        method="POST",
    )  # fmt: skip
    answers.give(
        "/api/v5/trade/order",
        {"code": "0", "msg": "", "data": [{
            "instType": "SPOT", "instId": "BTC-USD", "ccy": "", "ordId": "312269865356374016", "clOrdId": ours,
            "tag": "", "px": "69300.1", "sz": "0.71234567", "pnl": "0", "ordType": "limit", "side": "sell",
            "posSide": "net", "tdMode": "cash", "accFillSz": "0.5", "fillPx": "69310.1", "tradeId": "7",
            "fillSz": "0.2", "fillTime": str(TRADED_AT), "state": "partially_filled", "avgPx": "69310.1",
            "lever": "", "fee": "0", "feeCcy": "USD", "rebate": "0", "rebateCcy": "BTC", "category": "normal",
            "uTime": str(TRADED_AT), "cTime": str(TRADED_AT), "tgtCcy": ""}]},
    )  # fmt: skip
    fill = {"instType": "SPOT", "instId": "BTC-USD", "ordId": "312269865356374016", "clOrdId": ours, "billId": "1",
            "tag": "", "fillPx": "69310.1", "side": "sell", "posSide": "net", "execType": "T", "feeCcy": "USD",
            "fee": "-1", "ts": str(TRADED_AT)}  # fmt: skip
    answers.give(
        "/api/v5/trade/fills-history",
        {"code": "0", "msg": "", "data": [
            fill | {"tradeId": "6", "fillSz": "0.3"},
            fill | {"tradeId": "7", "fillSz": "0.2"},
            fill | {"tradeId": "8", "fillSz": "9", "ordId": "another"},
        ]},
    )  # fmt: skip
    venue = venue_for("vatp")
    with at(NOON):
        assert venue.submit(ORDER).venue_reference == "312269865356374016"
        report = venue.report(ORDER.client_order_id)
    assert told(report) == ("part_filled", [("0.3", "69310.1"), ("0.2", "69310.1")], False)


def test_a_forced_sale_of_bitcoin_is_booked_from_the_trades_of_the_venue(hashkey: HashKey) -> None:
    world, _chan = v01(harbour(policy={"target_utilisation": D("0.95"), "automatic_release_limit": D("0")}))
    with at("2026-04-02 16:30"):
        review_calls(run=run_valuation(broker=world.broker))
    with at(NOON):
        world.price("BTC", "70000", "2026-04-08 14:59:50")
        world.price("00005", "98.40", "2026-04-08 14:59")
        world.price("00700", "512.50", "2026-04-08 14:59")
        advance_due(broker=world.broker)
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
        approve_sale(sale=sale, checker=user("lee"), plan_hash=sale.plan_hash)
        hashkey.is_reply_lost = True
        advance_sales(broker=world.broker)
        order = SaleOrder.objects.get(leg__asset__code="BTC")
        sent = VenueOrder.objects.get()
        assert (order.status, sent.quantity <= order.quantity) == ("acknowledged", True)
        hashkey.trade("0.1", "69990")
        advance_sales(broker=world.broker)
        advance_sales(broker=world.broker)
        rest = sent.quantity - D("0.1")
        hashkey.trade(f"{rest:f}", "69980.5", status="FILLED")
        hashkey.is_reply_lost = False
        advance_sales(broker=world.broker)
    order.refresh_from_db()
    assert order.filled_quantity == sent.quantity
    # What the venue's step leaves over is less than a step, and is not even asked for.
    [post] = hashkey.answers.of("/api/v1/spot/order", "POST")
    assert post.parameters["newClientOrderId"] == sent.venue_order_id
    rejected = SaleOrder.objects.exclude(pk=order.pk).get()
    assert (rejected.status, rejected.reason) == ("rejected", "wrong_quantity")
    fills = Fill.objects.filter(order=order).order_by("pk")
    assert list(fills.values_list("quantity", "price")) == [(D("0.1"), 69990), (rest, D("69980.5"))]
    assert audit.run().findings == ()


@pytest.mark.parametrize(
    ("venues", "credentials"),
    [
        (
            {"vatp": {"venue": "kraken", "symbols": {"BTC": "BTC/USD"}}},
            {"vatp": {"apiKey": "x", "secret": "y"}},
        ),
        ({"vatp": {"venue": "okx", "symbols": {}}}, {"vatp": {"apiKey": "x", "secret": "y"}}),
        ({"vatp": {"venue": "okx", "symbols": {"BTC": "BTC/USD"}}}, {}),
        (
            {"vatp": {"venue": "okx", "symbols": {"BTC": "BTC/USD"}, "url": "http://x.example"}},
            {"vatp": {"apiKey": "x", "secret": "y"}},
        ),
    ],
    ids=["cannot be asked by our id", "no symbols", "no keys", "not encrypted"],
)
def test_a_venue_that_cannot_be_trusted_with_orders_stops_the_start(
    settings: Any, venues: Any, credentials: Any
) -> None:
    settings.LOMBARD_CCXT_VENUES, settings.LOMBARD_CCXT_CREDENTIALS = venues, credentials
    with pytest.raises(ImproperlyConfigured):
        adapter.CcxtVenue("vatp")
    assert [error.id for error in check_configuration()] == ["margin.E001"]


def test_the_database_keeps_what_was_sent(hashkey: HashKey) -> None:
    with at(NOON):
        venue_for("vatp").submit(ORDER)
        assert clock.now() - VenueOrder.objects.get().sent_at == timedelta(0)
    for statement, wall in (
        ("UPDATE margin_venueorder SET quantity = 1", "stays as it was sent"),
        ("UPDATE margin_venueorder SET reference = 'another'", "stays as it was sent"),
        ("UPDATE margin_venueorder SET sent_at = sent_at - interval '1 hour'", "stays as it was sent"),
        ("DELETE FROM margin_venueorder", "append-only"),
    ):
        with pytest.raises(DatabaseError, match=wall), transaction.atomic():
            sql(statement)
