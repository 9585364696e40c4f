"""A log line is one JSON object: an event, its ids, and what went wrong."""

from __future__ import annotations

import json
import logging
import sys

from deploy.logging import JsonFormatter


def test_a_line_carries_the_event_its_ids_and_an_aware_time() -> None:
    record = logging.makeLogRecord(
        {"name": "margin.calls", "levelname": "INFO", "msg": "margin.call.issued", "created": 1_655_105_400.0}
        | {"call": "mc_01", "broker": "harbour"}
    )

    assert json.loads(JsonFormatter().format(record)) == {
        "at": "2022-06-13T07:30:00.000+00:00",
        "level": "info",
        "logger": "margin.calls",
        "event": "margin.call.issued",
        "call": "mc_01",
        "broker": "harbour",
    }


def test_an_exception_stays_on_its_line() -> None:
    try:
        int("no price for 00700")
    except ValueError:
        record = logging.makeLogRecord({"msg": "valuation.failed", "exc_info": sys.exc_info()})

    text = JsonFormatter().format(record)

    assert "\n" not in text
    assert json.loads(text)["exception"].endswith("'no price for 00700'")
