"""The market over REST: read by every firm, moved only by who may, and decided by two people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest
from django.contrib.auth.models import Permission, User

from collateral.instruments import import_securities
from collateral.models import LendingHaircut, Price
from ledger.core.models import Event
from tests.api.conftest import Caller, broken_rules, peak_brokerage, problem, signed_in, system_of
from tests.builders import World, at, harbour, hong_kong

from .market import listing

pytestmark = pytest.mark.django_db

BITCOIN = {
    "code": "BTC",
    "price": "95000.00",
    "currency": "USD",
    "observed_at": "2026-04-02T16:29:30+08:00",
    "source": "index",
}
DOLLAR = {
    "base": "USD",
    "quote": "HKD",
    "bid": "7.7850",
    "ask": "7.7860",
    "observed_at": "2026-04-02T16:29:30+08:00",
    "source": "bank",
}


@dataclass
class Firm:
    """Harbour Securities alone in the house, at 16:30 of 2 April 2026, and its system."""

    world: World
    system: Caller


@pytest.fixture
def firm(db: None) -> Iterator[Firm]:
    world = harbour()
    with at("2026-04-02 16:30"):
        yield Firm(world, system_of(world.broker))


def member(name: str, *permissions: str) -> Caller:
    """Sign a house operator in; a superuser has every permission, so roles are tried with another user."""
    person = User.objects.create_user(name, is_staff=True, is_superuser=not permissions)
    for permission in permissions:
        person.user_permissions.add(Permission.objects.get(codename=permission))
    return signed_in(person)


class TestInstruments:
    def test_a_system_finds_what_it_may_pledge(self, firm: Firm) -> None:
        import_securities([listing("02800", "TRACKER FUND", 500, category="ETP")], actor="wong")

        found = firm.system.get("instruments", name="track").json()["results"]
        assert [row["code"] for row in found] == ["02800"]
        one = firm.system.get("instruments/02800").json()
        assert one["board_lot"] == 500
        assert (one["venue"], one["trading_currency"], one["status"]) == ("sehk", "HKD", "listed")
        problem(firm.system.get("instruments/09999"), 404, "not_found")

    def test_pages_follow_each_other_by_cursor(self, firm: Firm) -> None:
        first = firm.system.get("instruments", limit=3).json()
        second = firm.system.get("instruments", limit=3, cursor=first["next_cursor"]).json()
        assert sorted(row["code"] for row in first["results"] + second["results"]) == [
            "00005",
            "00700",
            "BTC",
            "ETH",
        ]
        assert second["next_cursor"] is None


class TestPrices:
    def test_a_price_is_recorded_and_read_back_as_the_latest(self, firm: Firm) -> None:
        made = firm.system.post("prices", BITCOIN)

        assert made.status_code == 201
        row = made.json()
        assert row["price"] == "95000.00"
        assert row["observed_at"] == "2026-04-02T16:29:30+08:00"
        latest = firm.system.get("instruments/BTC/price").json()
        assert latest == {
            "code": "BTC",
            "price_id": row["id"],
            "price": "95000.00",
            "currency": "USD",
            "source": "index",
            "observed_at": "2026-04-02T16:29:30+08:00",
            "state": "fresh",
            "allows_new_credit": True,
            "allows_sale": True,
        }
        assert [r["id"] for r in firm.system.get("prices", code="BTC").json()["results"]] == [row["id"]]
        assert Event.objects.filter(topic="collateral.price.recorded", actor__startswith="api:").exists()

    def test_what_was_never_observed_is_shown_as_missing(self, firm: Firm) -> None:
        firm.system.post("prices", BITCOIN)
        rows = firm.system.get("latest-prices").json()["results"]
        states = {row["code"]: (row["state"], row["price"]) for row in rows}
        assert states["BTC"] == ("fresh", "95000.00")
        assert states["00005"] == ("missing", None)

    def test_one_key_has_one_effect(self, firm: Firm) -> None:
        first = firm.system.post("prices", BITCOIN, key="tick-1")
        again = firm.system.post("prices", BITCOIN, key="tick-1")
        assert first.json() == again.json()
        assert again["Idempotency-Replayed"] == "true"
        other = firm.system.post("prices", BITCOIN | {"price": "95001"}, key="tick-1")
        assert problem(other, 422, "idempotency_key_reused")["details"]["differing"] == ["price"]
        assert Price.objects.count() == 1

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"price": "0"}, "NOT_POSITIVE"),
            ({"price": "NaN"}, "INEXACT"),
            ({"price": "1e5"}, "INEXACT"),
            ({"currency": "HKD"}, "WRONG_CURRENCY"),
            ({"observed_at": "2026-04-02T16:30:01+08:00"}, "FROM_THE_FUTURE"),
            ({"code": "SOL"}, "UNKNOWN_INSTRUMENT"),
        ],
    )
    def test_a_price_that_cannot_be_is_a_problem_with_a_stable_code(
        self, firm: Firm, changes: dict[str, str], code: str
    ) -> None:
        problem(firm.system.post("prices", BITCOIN | changes), 422, code)
        assert not Price.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"price": 95000.0}, ("price", "invalid")),
            ({"observed_at": "2026-04-02T16:29:30"}, ("observed_at", "not_a_time")),
            ({"observed_at": "2026-04-02"}, ("observed_at", "not_a_time")),
            ({"observed_at": "2026-13-02T16:29:30Z"}, ("observed_at", "not_a_time")),
            ({"source": "x" * 41}, ("source", "max_length")),
            ({"prize": "1"}, ("prize", "unknown_field")),
        ],
    )
    def test_a_body_that_cannot_be_read_names_the_field(
        self, firm: Firm, changes: dict[str, object], rule: tuple[str, str]
    ) -> None:
        assert broken_rules(firm.system.post("prices", BITCOIN | changes)) == [rule]

    def test_a_jump_is_refused_with_the_price_it_was_measured_by(self, firm: Firm) -> None:
        firm.system.post("prices", BITCOIN)
        told = problem(
            firm.system.post(
                "prices", BITCOIN | {"price": "9499", "observed_at": "2026-04-02T16:29:40+08:00"}
            ),
            422,
            "OUT_OF_BAND",
        )
        assert told["details"]["previous"] == "95000.00"

    def test_a_batch_judges_each_price_on_its_own(self, firm: Firm) -> None:
        item = {name: value for name, value in BITCOIN.items() if name != "source"}
        reply = firm.system.post(
            "price-batches",
            {
                "source": "index",
                "prices": [
                    item | {"code": "ETH", "price": "3456.78"},
                    item | {"price": "-1"},
                    item | {"code": "SOL"},
                    item,
                    item | {"price": "95001"},
                ],
            },
        )
        assert reply.status_code == 201
        results = reply.json()["results"]
        assert [(row["code"], row["refusal"]) for row in results] == [
            ("ETH", None),
            ("BTC", "NOT_POSITIVE"),
            ("SOL", "UNKNOWN_INSTRUMENT"),
            ("BTC", None),
            ("BTC", "CONFLICT"),
        ]
        assert {row["id"] for row in results} == {None, *Price.objects.values_list("pk", flat=True)}

    def test_a_batch_has_a_limit(self, firm: Firm) -> None:
        item = {name: value for name, value in BITCOIN.items() if name != "source"}
        empty = firm.system.post("price-batches", {"source": "index", "prices": []})
        assert broken_rules(empty) == [("prices", "empty")]
        full = firm.system.post("price-batches", {"source": "index", "prices": [item] * 1001})
        assert broken_rules(full) == [("prices", "max_length")]

    def test_one_firm_among_several_moves_no_price_and_no_rate(self, firm: Firm) -> None:
        peak = system_of(peak_brokerage())
        for caller in (firm.system, peak):
            problem(caller.post("prices", BITCOIN), 403, "shared_market_data")
            problem(
                caller.post("price-batches", {"source": "x", "prices": [BITCOIN_ITEM]}),
                403,
                "shared_market_data",
            )
            problem(caller.post("fx-rates", DOLLAR), 403, "shared_market_data")
            assert caller.get("prices").status_code == 200
        assert member("ho").post("prices", BITCOIN).status_code == 201


BITCOIN_ITEM = {name: value for name, value in BITCOIN.items() if name != "source"}


class TestRates:
    def test_a_rate_is_recorded_and_read_back(self, firm: Firm) -> None:
        made = firm.system.post("fx-rates", DOLLAR)
        assert made.status_code == 201
        latest = firm.system.get("fx-rates/USD/HKD").json()
        assert (latest["rate_id"], latest["bid"], latest["ask"]) == (made.json()["id"], "7.7850", "7.7860")
        assert firm.system.get("fx-rates/HKD/HKD").json()["bid"] == "1"
        problem(firm.system.get("fx-rates/CNY/HKD"), 404, "no_rate")
        assert len(firm.system.get("fx-rates", base="USD").json()["results"]) == 2

    def test_a_rate_outside_the_peg_is_refused(self, firm: Firm) -> None:
        problem(firm.system.post("fx-rates", DOLLAR | {"ask": "7.8501"}), 422, "OUT_OF_PEG")


class TestHaircuts:
    PROPOSAL = {"asset": "BTC", "haircut": "0.65", "valid_from": "2026-04-03", "reason": "Volatility"}

    def test_a_system_reads_and_only_people_propose_and_decide(self, firm: Firm) -> None:
        rows = firm.system.get("haircuts", asset="BTC").json()["results"]
        assert [(row["haircut"], row["margin_ratio"], row["approval"]) for row in rows] == [
            ("0.60", "0.40", "approved")
        ]
        problem(firm.system.post("haircuts", self.PROPOSAL), 403, "needs_a_person")
        problem(firm.system.post(f"haircuts/{rows[0]['id']}:approve"), 403, "needs_a_person")

    def test_a_second_person_approves_and_the_maker_is_refused(self, firm: Firm) -> None:
        maker, checker = member("chow"), member("ng")
        made = maker.post("haircuts", self.PROPOSAL)
        assert made.status_code == 201
        address = f"haircuts/{made.json()['id']}"
        problem(maker.post(f"{address}:approve"), 403, "maker_is_checker")

        approved = checker.post(f"{address}:approve")

        assert approved.status_code == 200
        assert (approved.json()["approval"], approved.json()["checker"]) == ("approved", "ng")
        problem(checker.post(f"{address}:reject", {"reason": "Too late"}), 409, "already_decided")
        assert maker.get(address).json()["margin_ratio"] == "0.35"

    def test_a_rejection_gives_its_reason(self, firm: Firm) -> None:
        made = member("chow").post("haircuts", self.PROPOSAL)
        checker = member("ng")
        address = f"haircuts/{made.json()['id']}:reject"
        assert broken_rules(checker.post(address, {"reason": ""})) == [("reason", "blank")]
        assert checker.post(address, {"reason": "Not needed"}).json()["approval"] == "rejected"
        assert Event.objects.filter(topic="collateral.haircut.rejected", reason="Not needed").exists()

    def test_the_past_is_not_valued_anew(self, firm: Firm) -> None:
        late = self.PROPOSAL | {"valid_from": "2026-04-01"}
        problem(member("chow").post("haircuts", late), 422, "RETROACTIVE")
        assert LendingHaircut.objects.filter(valid_from__gt=date(2021, 1, 1)).count() == 0

    def test_the_last_moment_shown_is_the_clock_of_the_house(self, firm: Firm) -> None:
        made = member("chow").post("haircuts", self.PROPOSAL).json()
        assert made["made_at"] == hong_kong("2026-04-02 16:30").isoformat()
