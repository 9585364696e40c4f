"""The register of margin calls over the API: one firm's own, between two days."""

from __future__ import annotations

from .conftest import House, broken_rules, peak_brokerage, system_of
from .stories import with_a_call


def lines(answer) -> list[str]:
    return b"".join(answer.streaming_content).decode().splitlines()


def test_a_firm_takes_its_own_register_between_two_days(house: House):
    with_a_call(house)
    assert "MC-C001-1" in lines(house.system.get("margin-call-register.csv"))[1]
    day = {"issued_from": "2026-04-02", "issued_to": "2026-04-02"}
    assert len(lines(house.system.get("margin-call-register.csv", **day))) == 2
    assert len(lines(house.system.get("margin-call-register.csv", issued_from="2026-04-03"))) == 1
    assert len(lines(house.system.get("margin-call-register.csv", issued_to="2026-04-01"))) == 1
    wrong = house.system.get("margin-call-register.csv", issued_from="20260402")
    assert broken_rules(wrong) == [("issued_from", "not_a_date")]
    assert len(lines(system_of(peak_brokerage()).get("margin-call-register.csv"))) == 1
