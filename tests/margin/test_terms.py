"""What else than haircuts decides how much counts: used by every valuation, named by it, and replayed."""

from __future__ import annotations

import json
from datetime import date

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from collateral.eligibility import approve_eligibility, propose_eligibility
from collateral.models import Eligibility, TermSheet, TermSheetLine
from margin.explain import explain, replay
from margin.models import Facility
from margin.valuations import assess, run_valuation
from tests.builders import D, World, at, user, v01

pytestmark = pytest.mark.django_db


def decide(code: str, *, accepted: bool, day: str) -> Eligibility:
    row = propose_eligibility(
        asset=code, is_accepted=accepted, valid_from=date.fromisoformat(day), maker=user("wong")
    )
    return approve_eligibility(row, checker=user("lee"))


def margin_values(valuation: object) -> dict[str, object]:
    return dict(valuation.lines.values_list("asset__code", "margin_value"))  # type: ignore[attr-defined]


@pytest.fixture
def story() -> tuple[World, Facility]:
    return v01()


def test_an_excluded_share_counts_nothing_and_the_explanation_names_the_decision(
    story: tuple[World, Facility],
) -> None:
    world, chan = story
    with at("2026-04-02 16:29"):
        row = decide("00700", accepted=False, day="2026-04-02")
    with at("2026-04-02 16:30"):
        valuation = run_valuation(broker=world.broker).valuations.get()
        assert assess(chan).value.margin_value == valuation.margin_value

    assert margin_values(valuation) == {"00005": D("551040.00"), "00700": D("0.00"), "BTC": D("444600.00")}
    assert valuation.margin_value == D("995640.00")
    told = explain(valuation)
    used = {each["asset"]: each["terms"] for each in told["inputs"]}
    assert used["00005"] is None
    assert used["00700"]["eligibility"] == {"id": row.pk, "is_accepted": False, "valid_from": "2026-04-02"}
    tencent = next(each for each in told["calculation"]["holdings"] if each["code"] == "00700")
    assert (tencent["terms_ref"], tencent["haircut"], tencent["market_value"]) == (
        f"eligibility {row.pk}",
        "1",
        "615000.00",
    )


def test_a_valuation_replays_byte_for_byte_whatever_is_decided_afterwards(
    story: tuple[World, Facility],
) -> None:
    world, _chan = story
    with at("2026-04-02 16:29"):
        decide("00700", accepted=False, day="2026-04-02")
    with at("2026-04-02 16:30"):
        valuation = run_valuation(broker=world.broker).valuations.get()
        told = json.dumps(explain(valuation))
    with at("2026-04-03 10:00"):
        decide("00700", accepted=True, day="2026-04-03")
        decide("BTC", accepted=False, day="2026-04-03")
        later = run_valuation(broker=world.broker).valuations.get()

    assert margin_values(later) == {"00005": D("551040.00"), "00700": D("430500.00"), "BTC": D("0.00")}
    with at("2027-04-02 16:30"):
        assert json.dumps(explain(valuation)) == told
        assert replay(valuation)["is_equal"]
        assert replay(later)["is_equal"]


def test_the_same_terms_are_kept_once_and_never_changed(story: tuple[World, Facility]) -> None:
    world, _chan = story
    with at("2026-04-02 16:29"):
        plain = run_valuation(broker=world.broker).valuations.get()
        decide("00700", accepted=False, day="2026-04-02")
    for minute in ("30", "31"):
        with at(f"2026-04-02 16:{minute}"):
            run_valuation(broker=world.broker)

    assert plain.term_sheet is None
    sheet = TermSheet.objects.get()
    assert sheet.valuation_set.count() == 2
    line = sheet.lines.get()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        TermSheetLine.objects.filter(pk=line.pk).update(is_eligible=True)
    other = TermSheet.objects.create(digest="0" * 64, kept_at=sheet.kept_at)
    with pytest.raises(IntegrityError, match="does not say that"), transaction.atomic():
        TermSheetLine.objects.create(
            sheet=other, asset_id=line.asset_id, eligibility_id=line.eligibility_id, is_eligible=True
        )
