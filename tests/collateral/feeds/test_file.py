"""A file over HTTP: every line is taken or kept with the reason, and nothing is read twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from collateral.feeds import polling
from collateral.feeds.configuration import configured_feeds
from collateral.feeds.polling import due_feeds, poll_feed
from collateral.models import FeedRefusal, Instrument, Price, PriceFeed
from collateral.prices import latest_prices
from ledger.core.models import Event
from tests.answers import Answer, Answers, Asked
from tests.collateral.market import at, hkt

from .sources import FILE, poll_all

pytestmark = pytest.mark.django_db


def test_each_line_is_taken_or_kept_with_the_reason(
    exchange: Answers, hsbc: Instrument, tencent: Instrument
) -> None:
    exchange.give("/prices.csv", Answer(FILE, headers={"ETag": '"one"'}))
    with at("2026-03-09 10:05"):
        done = poll_all()["exchange"]
    assert (done.taken, done.refused, done.error) == (3, 9, "")
    assert list(FeedRefusal.objects.order_by("line").values_list("line", "code")) == [
        (5, "NOT_POSITIVE"),
        (6, "INEXACT"),
        (7, "WRONG_CURRENCY"),
        (8, "NO_TIME_ZONE"),
        (9, "NOT_A_TIME"),
        (10, "FROM_THE_FUTURE"),
        (11, "UNKNOWN_INSTRUMENT"),
        (12, "OUT_OF_BAND"),
        (13, "CONFLICT"),
    ]
    assert FeedRefusal.objects.get(line=7).text == "00005,12.60,USD,2026-03-09T10:02:00+08:00"
    quotes = latest_prices([hsbc, tencent], at=hkt("2026-03-09 10:05"))
    assert [(q.price, q.source) for _code, q in sorted(quotes.items())] == [
        (Decimal("98.45"), "exchange"),
        (Decimal("512.50"), "exchange"),
    ]
    assert exchange.asked[0].headers["Authorization"] == "Bearer x"


def test_what_was_read_is_not_read_again(exchange: Answers, hsbc: Instrument, tencent: Instrument) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.headers.get("If-None-Match") == '"one"':
            return Answer(status=304)
        return Answer(FILE, headers={"ETag": '"one"', "Last-Modified": "Mon, 09 Mar 2026 02:03:00 GMT"})

    exchange.give("/prices.csv", answer)
    with at("2026-03-09 10:05"):
        poll_all()
        assert due_feeds() == []
        assert poll_feed("exchange") is None
    with at("2026-03-09 10:06"):
        assert poll_all()["exchange"].taken == 0
    assert exchange.asked[1].headers["If-Modified-Since"] == "Mon, 09 Mar 2026 02:03:00 GMT"
    # The same bytes under another tag are no news, and a line more is one line more.
    exchange.give("/prices.csv", Answer(FILE, headers={"ETag": '"two"'}))
    with at("2026-03-09 10:07"):
        assert (poll_all()["exchange"].taken, FeedRefusal.objects.count()) == (0, 9)
    exchange.give("/prices.csv", FILE[: FILE.index("00005,0")] + "00700,513,HKD,2026-03-09T10:07:00+08:00\n")
    with at("2026-03-09 10:08"):
        done = poll_all()["exchange"]
    assert (done.taken, done.refused, Price.objects.count()) == (1, 0, 4)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer("who are you", status=401), "answered 401"),
        (Answer(status=302, headers={"Location": "http://localhost/elsewhere"}), "answered 302"),
        (Answer("code,price\n00005,98.40\n"), "The file has no column currency, observed_at."),
        (Answer(is_lost=True), "no answer: RemoteDisconnected"),
        (Answer("code,price", headers={"Content-Length": "500"}), "the answer was cut off"),
        (Answer("x" * 4_000), "the file is larger than 2000 bytes"),
    ],
    ids=["refused", "sent elsewhere", "other columns", "dead line", "cut off", "endless"],
)
def test_an_answer_that_is_none_leaves_prices_and_cursor_alone(
    exchange: Answers, monkeypatch: pytest.MonkeyPatch, answer: Answer, error: str
) -> None:
    monkeypatch.setattr("collateral.feeds.csv_source.BYTES_MAX", 2_000)
    exchange.give("/prices.csv", answer)
    with at("2026-03-09 10:05"):
        assert poll_all()["exchange"].error == error
    feed = PriceFeed.objects.get()
    assert (feed.failures, feed.last_error, feed.content_hash) == (1, error, "")


def test_a_failing_source_is_asked_less_and_less_and_said_once(exchange: Answers, hsbc: Instrument) -> None:
    exchange.give("/prices.csv", Answer(status=503))
    for moment, is_asked in [
        ("10:00:00", True),
        ("10:00:29", False),
        ("10:00:30", True),
        ("10:01:29", False),
        ("10:01:30", True),
        ("10:03:29", False),
        ("10:03:30", True),
        ("10:05:30", True),
    ]:
        with at(f"2026-03-09 {moment}"):
            assert bool(poll_all()) is is_asked
    exchange.give("/prices.csv", FILE[: FILE.index("00700")])
    with at("2026-03-09 10:07:30"):
        poll_all()
    assert list(
        Event.objects.filter(topic__startswith="collateral.feed")
        .order_by("pk")
        .values_list("topic", flat=True)
    ) == [
        "collateral.feed.failed",
        "collateral.feed.recovered",
    ]
    assert PriceFeed.objects.get().failures == 0


def test_a_poll_whose_time_ran_out_is_not_heard_any_more(exchange: Answers, hsbc: Instrument) -> None:
    taken_over: list[Any] = []

    def answer(_asked: Asked) -> Answer:
        if not taken_over:
            taken_over.append(None)
            with at("2026-03-09 10:06:40"):
                taken_over.append(poll_feed("exchange"))
        return Answer(FILE[: FILE.index("00700")])

    # A worker hangs; ninety seconds later another takes over, and what the first still brings is dropped.
    source = polling._source(configured_feeds()["exchange"])
    got = source.poll
    polling._sources["exchange"] = (configured_feeds()["exchange"], _Slow(got, answer))  # type: ignore[arg-type]
    exchange.give("/prices.csv", FILE[: FILE.index("00700")])
    with at("2026-03-09 10:05"):
        late = poll_all()["exchange"]
    assert taken_over[1].taken == 1
    assert late.error == "another poll took over"
    assert Price.objects.count() == 1


class _Slow:
    code = "exchange"

    def __init__(self, poll: Any, meanwhile: Any) -> None:
        self.inner, self.meanwhile = poll, meanwhile

    def poll(self, cursor: Any, *, now: Any) -> Any:
        self.meanwhile(None)
        return self.inner(cursor, now=now)
