"""The benchmark of the ledger: its sums are right, its cases all run, and it does not believe a fast ledger blindly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from deploy.benchmarks import servers
from deploy.benchmarks.figures import Figure, median_figure, percentile
from deploy.benchmarks.ledger import books, growth, proof, report
from deploy.benchmarks.ledger.callers import Work
from deploy.benchmarks.ledger.cases import YARDSTICKS, Case, Ground, all_cases, chosen
from deploy.benchmarks.ledger.clients import Measured
from deploy.benchmarks.ledger.rounds import Outcome, order
from deploy.benchmarks.ledger.workload import HOUSE, Transfer, transfers

BY_NAME = {yardstick.name: yardstick for yardstick in YARDSTICKS}
OURS = ("single", "batch100", "batch1000")
OURS_AND_ORM = "orm,single,batch*,coalesced,http_single/hot/8"


def benchmark(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a newcomer does, who has named no database."""
    given = ("DATABASE_URL", "BROKER_URL", "LOMBARD_EMBEDDED", "LOMBARD_PGLEDGER_SQL")
    return subprocess.run(
        [sys.executable, "manage.py", "benchmark", "ledger", *options],
        cwd=Path(__file__).resolve().parents[2],
        env={name: value for name, value in os.environ.items() if name not in given},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_quick_run_goes_through_every_case_and_proves_the_books():
    run = benchmark("--quick", "--json", "--seconds=0.1", "--clients=2", f"--only={OURS_AND_ORM}")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result.keys() == {"tpcb_tps", "cases"}
    assert result["tpcb_tps"] > 0
    expected = set(product(("orm", *OURS), ("uniform", "zipf", "hot"), (2,)))
    expected |= set(product(("coalesced",), ("uniform", "zipf", "hot"), (8, 64, 256)))
    expected.add(("http_single", "hot", 8))
    assert {(case["name"], case["contention"], case["clients"]) for case in result["cases"]} == expected
    for case in result["cases"]:
        assert case.keys() == {
            *("name", "contention", "clients", "tps", "ratio_to_tpcb", "p50_ms", "p99_ms"),
        }
        assert case["ratio_to_tpcb"] == pytest.approx(case["tps"] / result["tpcb_tps"], abs=0.01)
        assert 0 < case["p50_ms"] <= case["p99_ms"]
    assert "A quick run" in run.stderr
    assert "fsync on, synchronous_commit on" in run.stderr
    assert "pgledger: left out: name its SQL files" in run.stderr
    assert "the audit found nothing" in run.stderr
    data = next(line for line in run.stderr.splitlines() if line.startswith("server: data in "))
    assert not Path(data.removeprefix("server: data in ")).exists()


def test_a_case_that_does_not_exist_is_refused_before_anything_starts():
    run = benchmark("--only=sinlge")
    assert run.returncode != 0
    assert "There is no such case" in run.stderr
    assert "server:" not in run.stderr


@pytest.fixture
def three_clients(transactional_db: None) -> None:
    books.lay(Ground(accounts=3))


def faults(acknowledged: int = 0, house_cents: int = 0) -> list[str]:
    return list(proof.faults(3, acknowledged, house_cents))


def test_what_was_acknowledged_is_in_the_books(three_clients):
    assert faults() == []
    books.poster("single")(["alice-to-bob"], [Transfer(0, 1, 250)])
    books.poster("batch100")(["deposit", "withdrawal"], [Transfer(HOUSE, 2, 999), Transfer(1, HOUSE, 1)])
    assert faults(acknowledged=3, house_cents=998) == []


def test_a_journal_that_was_lost_or_booked_twice_is_a_fault(three_clients):
    assert faults(acknowledged=1) == ["4 journals were acknowledged and 3 are in the books"]


def test_money_that_went_elsewhere_is_a_fault(three_clients):
    assert faults(house_cents=-1) == [
        "2999999.99 was put in, 3000000.00 is at the bank and 3000000.00 is the clients'"
    ]


def test_what_the_audit_finds_is_a_fault(three_clients):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_balance DISABLE TRIGGER USER")
        cursor.execute("UPDATE ledger_balance SET version = version + 1")
        cursor.execute("ALTER TABLE ledger_balance ENABLE TRIGGER USER")
    assert any(fault.startswith("ledger.") for fault in faults())


def test_reading_a_balance_books_nothing(three_clients):
    assert books.poster("read")([], [Transfer(0, 1, 1)]) == 1_000_000
    assert faults() == []


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit"])
def test_a_server_that_forgets_is_not_measured(name):
    settings = {"fsync": "on", "synchronous_commit": "on"}
    servers.refuse_unless_durable(settings)
    with pytest.raises(servers.UnfitServer, match=f"{name} is off"):
        servers.refuse_unless_durable(settings | {name: "off"})


def databases() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db(transaction=True)
def test_a_given_server_gets_a_database_of_the_runs_own_and_loses_it(monkeypatch):
    before = databases()
    monkeypatch.setenv("LOMBARD_EMBEDDED", "0")

    def refuse(settings):
        assert len(databases() - before) == 1
        raise servers.UnfitServer("unfit")

    monkeypatch.setattr(servers, "refuse_unless_durable", refuse)
    with pytest.raises(CommandError, match="unfit"):
        call_command("benchmark", "ledger", "--quick", "--only=single")
    assert databases() == before


def test_the_same_seed_draws_the_same_transfers():
    for contention in ("uniform", "zipf", "hot"):
        drawn = transfers(contention, 50, 500, "seed")
        assert len(drawn) == 500
        assert drawn == transfers(contention, 50, 500, "seed")
        assert drawn != transfers(contention, 50, 500, "another seed")
        assert all(each.debit != each.credit and 1 <= each.cents <= 999 for each in drawn)


def test_a_hot_transfer_always_meets_the_house_and_any_client():
    drawn = transfers("hot", 20, 2_000, "seed")
    assert all((each.debit == HOUSE) != (each.credit == HOUSE) for each in drawn)
    assert {each.debit for each in drawn} == {each.credit for each in drawn} == {HOUSE, *range(20)}


def test_zipf_prefers_the_same_few_clients_whoever_draws():
    count = 20_000
    favourites = []
    for seed in ("one", "other"):
        seen = Counter(
            client for each in transfers("zipf", 100, count, seed) for client in (each.debit, each.credit)
        )
        ranked = seen.most_common()
        favourites.append(ranked[0][0])
        # The harmonic number of 100 is 5.19: the first is drawn in 19.3% of draws, less once pairs must differ.
        assert 0.16 < ranked[0][1] / (2 * count) < 0.2
        assert 1.6 < ranked[0][1] / ranked[1][1] < 2.2
        assert len(ranked) == 100
    assert favourites[0] == favourites[1]
    assert HOUSE not in favourites


def test_uniform_prefers_nobody():
    seen = Counter(each.debit for each in transfers("uniform", 10, 20_000, "seed"))
    assert len(seen) == 10
    assert max(seen.values()) < 1.2 * min(seen.values())


def test_work_goes_round_and_keeps_count_of_the_house():
    drawn = [Transfer(HOUSE, 0, 5), Transfer(0, 1, 7), Transfer(1, HOUSE, 2)]
    work = Work(drawn)
    assert [work.slice(first, 1) for first in range(4)] == [*([each] for each in drawn), drawn[:1]]
    assert [work.house_cents(0, count) for count in range(5)] == [0, 5, 5, 3, 8]
    assert work.house_cents(1, 3) == work.house_cents(2, 6) - 3 == 3


def test_a_percentile_needs_samples_and_a_rank():
    with pytest.raises(ValueError, match="needs samples"):
        percentile([], 50)
    with pytest.raises(ValueError, match="a rank above 0"):
        percentile([1], 0)
    assert percentile(range(1, 101), 99) == 99
    assert percentile([3, 1, 2], 100) == 3


def test_cases_are_chosen_by_name_contention_and_clients():
    cases = all_cases([BY_NAME["single"], BY_NAME["batch100"], BY_NAME["coalesced"]], [1, 8])
    assert len(cases) == 6 + 6 + 9
    assert chosen(cases, []) == cases
    assert [str(case) for case in chosen(cases, ["single/hot", "batch*/*/8"])] == [
        *("single/hot/1", "single/hot/8", "batch100/uniform/8", "batch100/zipf/8", "batch100/hot/8"),
    ]
    assert {case.clients for case in chosen(cases, ["coalesced"])} == {8, 64, 256}
    assert {case.clients for case in all_cases([BY_NAME["http_single"]], [1])} == {8, 64}


def test_every_other_round_goes_backwards():
    cases = all_cases([BY_NAME["single"]], [1])
    assert order(cases, 0) == cases == list(reversed(order(cases, 1)))


def test_the_report_is_in_ratios_to_the_yardstick():
    case = Case(BY_NAME["batch100"], "hot", 8)
    figure = Figure(per_second=25_000.0, p50_ms=30.1234, p99_ms=80.0)
    outcome = Outcome(tpcb_per_second=2_500.0, figures={case: figure}, faults=())
    assert report.as_json(outcome, None) == {
        "tpcb_tps": 2_500.0,
        "cases": [
            {
                "name": "batch100",
                "contention": "hot",
                "clients": 8,
                "tps": 25_000.0,
                "ratio_to_tpcb": 10.0,
                "p50_ms": 30.123,
                "p99_ms": 80.0,
            }
        ],
    }
    hot = report.as_table(outcome, "title").columns[-1]
    assert list(hot.cells) == ["10.00  30/80"]
    unmeasured = report.as_json(Outcome(None, {case: figure}, ()), None)
    assert unmeasured["tpcb_tps"] is None
    assert unmeasured["cases"][0]["ratio_to_tpcb"] is None


class Pretender:
    """Clients that post nothing and say how long it took."""

    def __init__(self, name: str, diary: list[str], seconds_per_journal: float) -> None:
        self._name = name
        self._diary = diary
        self._figure = Figure(1 / seconds_per_journal, seconds_per_journal * 1e3, seconds_per_journal * 2e3)

    def run(self, case: Case, **_how_long: float) -> Measured:
        self._diary.append(f"{self._name} {case}")
        return Measured(self._figure, 0 if case.yardstick.is_read else 1_000, 7)


def test_a_book_is_filled_until_it_holds_enough():
    diary: list[str] = []
    side = growth.Side(Pretender("full", diary, 0.1), Ground(accounts=10))
    growth.fill(side, 5_000, lambda *_: None)
    assert (side.entries, side.counted["house_cents"], len(diary)) == (6_020, 21, 3)


def test_an_empty_and_a_full_book_are_measured_in_turns():
    diary: list[str] = []
    sides = [
        growth.Side(Pretender("empty", diary, 0.100), Ground(accounts=10)),
        growth.Side(Pretender("full", diary, 0.108), Ground(accounts=10)),
    ]
    growth.take_turns(sides, 2, 1.0, lambda *_: None)
    first, last = growth.CASES[0], growth.CASES[-1]
    assert diary[:2] == [f"empty {first}", f"full {first}"]
    assert diary[len(diary) // 2 :][:2] == [f"full {last}", f"empty {last}"]
    for case in growth.CASES:
        empty, full = (median_figure(side.figures[case]) for side in sides)
        assert growth.Growth(case, empty, full).percent == 8.0


def test_growth_is_reported_beside_the_cases():
    cases = tuple(
        growth.Growth(case, Figure(1_000.0, 1.0, 2.0), Figure(800.0, 1.1, 2.2)) for case in growth.CASES
    )
    grown = growth.GrowthOutcome(20_000_000, 30_000, cases, ())
    told = report.as_json(Outcome(None, {}, ()), grown)["growth"]
    assert told["entries"] == 20_000_000
    # A posting is judged by what a second gives, a read by its median.
    assert [(case["name"], case["clients"], case["growth_percent"]) for case in told["cases"]] == [
        *(("single", 1, 25.0), ("single", 8, 25.0), ("batch1000", 2, 25.0), ("read", 1, 10.0)),
    ]
    assert list(report.growth_table(grown).columns[-1].cells) == ["+25.0%", "+25.0%", "+25.0%", "+10.0%"]
