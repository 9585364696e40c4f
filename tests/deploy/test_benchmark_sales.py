"""The benchmark of planning sales: it says what the issue asks for, and does not believe a fast plan blindly."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from deploy.benchmarks.sales import command, workload
from margin.sales.firm import plan_firm
from margin.sales.planner import plan_sale


def benchmark(*options):
    out = StringIO()
    call_command("benchmark", "sales", *options, stdout=out)
    return out.getvalue()


def test_a_quick_run_is_one_object_with_both_cases(capsys):
    result = json.loads(benchmark("--quick", "--json", "--accounts=3", "--firms=1"))

    assert result.keys() == {"cases"}
    assert [case["name"] for case in result["cases"]] == ["account_20_assets", "firm_300x8"]
    for case in result["cases"]:
        assert case.keys() == {"name", "p50_ms", "p95_ms", "proved"}
        assert 0 < case["p50_ms"] <= case["p95_ms"]
        assert case["proved"] is True
    said = capsys.readouterr().err
    assert "A quick run" in said
    assert "Every plan was valued again" in said


def test_for_people_there_is_a_table():
    table = benchmark("--quick", "--accounts=2", "--firms=1")

    assert "account_20_assets" in table
    assert "2 of 2" in table


def test_the_same_seed_is_the_same_question():
    assert repr(workload.account(7)) == repr(workload.account(7))
    assert repr(workload.firm(7, accounts=3)) == repr(workload.firm(7, accounts=3))


def test_a_plan_that_leaves_a_leg_out_is_found_out():
    question = workload.account(1)
    plan = plan_sale(**question)

    assert list(command.account_faults(question, plan)) == []
    short = replace(plan, legs=plan.legs[1:])
    assert any("ends at a utilisation" in fault for fault in command.account_faults(question, short))


def test_a_firm_plan_beyond_its_cap_or_short_of_its_word_is_found_out():
    question = workload.firm(1, accounts=40)
    plan = plan_firm(**question)

    assert list(command.firm_faults(question, plan)) == []
    block = plan.blocks[0]
    greedy = replace(plan, blocks=(replace(block, quantity=block.quantity * 100), *plan.blocks[1:]))
    faults = list(command.firm_faults(question, greedy))
    assert any("above the cap" in fault for fault in faults)
    assert any("something else than its order" in fault for fault in faults)
    faults = list(command.firm_faults(question, replace(plan, legs=plan.legs[1:])))
    assert any("ends at a utilisation" in fault for fault in faults)


def test_a_faulty_plan_fails_the_command(monkeypatch):
    monkeypatch.setattr(command, "account_faults", lambda question, plan: iter(["sells too much"]))

    with pytest.raises(CommandError, match="2 faults"):
        benchmark("--quick", "--accounts=2", "--firms=1")
