"""V15: liquid capital is counted by its own schedule; the lending haircut would hide the cost."""

from __future__ import annotations

import io
from datetime import date

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from collateral.capital import (
    approve_deduction,
    capital_view,
    deductions_on,
    import_deductions,
    propose_deduction,
)
from collateral.models import CapitalHaircut
from ledger.core.errors import Conflict, Forbidden, Invalid
from margin.explain import capital_of
from margin.valuations import run_valuation
from tests.api.conftest import signed_in
from tests.builders import D, at, user, v01

VALUES = {"00005": D("787200.00"), "00700": D("615000.00"), "BTC": D("1111500.00")}
FILE = "asset,capital_haircut,valid_from\n00005,0.15,2026-01-01\n00700,0.15,2026-01-01\nBTC,1,2026-01-01\nX,60,2026-01-01\n"


def test_v15_to_the_cent():
    stocks = {"00005": D("0.15"), "00700": D("0.15")}

    view = capital_view(VALUES, stocks, loan=D("1503287.67"))

    assert view.counted == {"00005": D("669120.00"), "00700": D("522750.00"), "BTC": D("0.00")}
    assert (view.includable, view.cost) == (D("1191870.00"), D("311417.67"))
    assert capital_view(VALUES, stocks | {"BTC": D("0.60")}, loan=D("1503287.67")).cost == 0


@pytest.mark.django_db
def test_the_schedule_is_taken_in_by_file_decided_by_another_and_leaves_lending_alone():
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        done = import_deductions(io.StringIO(FILE), maker=user("wong"))
        assert [error.code for error in done.errors] == ["OUT_OF_RANGE"]
        assert deductions_on(date(2026, 4, 2)) == {}
        for row in done.proposals.values():
            with pytest.raises(Forbidden):
                approve_deduction(row, checker=user("wong"))
            approve_deduction(row, checker=user("lee"))
        valuation = run_valuation(broker=world.broker).valuations.get()

    assert valuation.margin_value == D("1426140.00")
    view = capital_of(valuation)
    assert (view.includable, view.cost) == (D("1191870.00"), valuation.loan - D("1191870.00"))

    with at("2026-04-03 10:00"):
        later = propose_deduction(
            asset="00005", deduction="0.30", valid_from=date(2026, 4, 3), maker=user("wong")
        )
        approve_deduction(later, checker=user("lee"))
        again = propose_deduction(
            asset="00005", deduction="0.20", valid_from=date(2026, 4, 3), maker=user("wong")
        )
        with pytest.raises(Conflict):
            approve_deduction(again, checker=user("lee"))
        with pytest.raises(Invalid, match="past"):
            propose_deduction(asset="00005", deduction="0.2", valid_from=date(2026, 4, 2), maker=user("wong"))
    assert capital_of(valuation) == view


@pytest.mark.django_db
def test_raw_sql_and_the_api_are_refused_alike():
    v01()
    with at("2026-04-02 16:30"):
        house = signed_in(user("ho", is_superuser=True))
        terms = {"asset": "BTC", "deduction": "1.5", "valid_from": "2026-04-02"}
        assert house.post("capital-haircuts", terms).json()["code"] == "OUT_OF_RANGE"
        made = house.post("capital-haircuts", terms | {"deduction": "1"}).json()
        own = house.post(f"capital-haircuts/{made['id']}:approve", {})
        assert own.json()["code"] == "maker_is_checker"
        row = approve_deduction(CapitalHaircut.objects.get(pk=made["id"]), checker=user("lee"))
    with pytest.raises(DatabaseError), transaction.atomic():
        CapitalHaircut.objects.filter(pk=row.pk).update(deduction=D(0))
    row.pk, row.deduction, row.valid_from = None, D("1.5"), date(2027, 1, 1)
    with pytest.raises(IntegrityError, match="in_range"), transaction.atomic():
        row.save(force_insert=True)
