"""A few words of market data for the stories of the feeds."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from collateral.feeds.polling import due_feeds, poll_feed
from collateral.price_policies import approve_price_policy, propose_price_policy
from tests.answers import Answers
from tests.collateral.market import at, hkt

SAMPLES = Path(__file__).parents[1] / "venue_samples"
VENUES = ("hashkey", "okx", "kraken")
MILLISECONDS = 1000


def judge(maker: User, checker: User, **terms: Any) -> None:
    """Let prices be judged by age, which needs no calendar."""
    given = {
        "asset_kind": "virtual_asset",
        "valid_from": date(2026, 3, 7),
        "soft_age_seconds": 60,
        "hard_age_seconds": 300,
        "deviation_limit": "0.20",
    }
    with at("2026-03-07 00:00"):
        policy = propose_price_policy(**(given | terms), maker=maker)
        approve_price_policy(policy, checker=checker)


def quote(answers: Answers, venue: str, bid: str, ask: str, when: str) -> None:
    """Let a venue show its best bid and ask, in the form its documentation gives."""
    seen = int(hkt(when).timestamp() * MILLISECONDS)
    match venue:
        case "hashkey":
            answers.give(
                "/quote/v1/ticker/24hr",
                [{"t": seen, "s": "BTCUSD", "c": bid, "h": ask, "l": bid, "o": bid, "b": bid, "a": ask,
                  "v": "1", "qv": "1"}],
            )  # fmt: skip
        case "okx":
            # Numbers that JSON would make floats of stay what they were.
            answers.give(
                "/api/v5/market/ticker",
                '{"code":"0","msg":"","data":[{"instType":"SPOT","instId":"BTC-USD","last":BID,"lastSz":"0.1",'
                '"askPx":ASK,"askSz":"1","bidPx":BID,"bidSz":"2","open24h":"1","high24h":"1","low24h":"1",'
                '"volCcy24h":"1","vol24h":"1","ts":"AT","sodUtc0":"1","sodUtc8":"1"}]}'.replace("BID", bid)
                .replace("ASK", ask)
                .replace("AT", str(seen)),
            )
        case _:
            answers.give(
                "/0/public/Ticker",
                {"error": [], "result": {"XXBTZUSD": {
                    "a": [ask, "1", "1.000"], "b": [bid, "2", "2.000"], "c": [bid, "0.04"], "v": ["1", "2"],
                    "p": [bid, bid], "t": [1, 2], "l": [bid, bid], "h": [ask, ask], "o": bid}}},
            )  # fmt: skip


def poll_all() -> dict[str, Any]:
    return {code: poll_feed(code) for code in due_feeds()}


FILE = """\
code,price,currency,observed_at
00005,98.40,HKD,2026-03-09T10:00:00+08:00
00700,512.50,HKD,2026-03-09T10:00:00+08:00
00005,98.45,HKD,2026-03-09T10:01:00+08:00
00005,0,HKD,2026-03-09T10:02:00+08:00
00005,98.5e0,HKD,2026-03-09T10:02:00+08:00
00005,12.60,USD,2026-03-09T10:02:00+08:00
00005,98.50,HKD,2026-03-09T10:02:00
00005,98.50,HKD,ten past
00005,98.50,HKD,2026-03-09T10:40:00+08:00
09999,1.00,HKD,2026-03-09T10:02:00+08:00
00005,300.00,HKD,2026-03-09T10:03:00+08:00
00005,98.46,HKD,2026-03-09T10:01:00+08:00
"""
