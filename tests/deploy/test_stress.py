"""`manage.py stress`: a firm's scenarios and a client's break-even prices, for people and for machines."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from margin.models import StressRun
from tests.builders import at, harbour
from tests.margin.stress.firm import stressed_firm

pytestmark = pytest.mark.django_db


def stress(*options: str) -> str:
    out = StringIO()
    call_command("stress", *options, stdout=out)
    return out.getvalue()


def test_a_firm_and_a_client_as_tables_and_as_objects():
    stressed_firm()
    with at("2026-04-02 16:30"):
        table = stress("--firm=HARBOUR")
        [run] = json.loads(stress("--json"))["runs"]
        client = stress("--client=C001")
        told = json.loads(stress("--client=C001", "--json"))
    earlier = json.loads(stress("--client=C001", "--json", "--at=2026-04-01T16:30"))

    assert "300,000.00" in table
    assert {total["scenario"]: total["loss"] for total in run["totals"]}["worst"] == "300000.00"
    assert "110782.05" in client
    bitcoin, earlier_bitcoin = (
        next(asset for asset in each["assets"] if asset["asset"] == "BTC") for each in (told, earlier)
    )
    assert bitcoin["call"]["price"] == "110782.05"
    # The day before, shares stood at 100.00 and 520.00.
    assert earlier_bitcoin["call"]["price"] == "107521.36"
    assert StressRun.objects.count() == 2


def test_what_cannot_be_stressed_is_refused():
    for options in ((), ("--firm=NOBODY",)):
        with pytest.raises(CommandError, match="no"):
            stress(*options)
    harbour()
    with pytest.raises(CommandError, match="approved set"):
        stress()
    with pytest.raises(CommandError, match="C404"):
        stress("--client=C404")
