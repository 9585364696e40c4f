"""Concentration caps in an account, a client group and the firm: V09, its laws, and its replay."""

from __future__ import annotations

import json
from datetime import date

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from collateral.caps import Cap, Measure, Scope, Worth, add_up, ceilings, under_ceilings
from collateral.valuation import Holding
from ledger import audit
from ledger.core.errors import Conflict, Forbidden, Invalid
from margin.caps import approve_cap, propose_cap
from margin.explain import explain, replay
from margin.groups import open_group, set_group
from margin.models import Client, ClientGroup, CollateralCap, ValuationCap
from margin.sales.planner import plan_sale
from margin.valuations import assess, run_valuation
from tests.api.conftest import peak_brokerage, signed_in
from tests.builders import D, World, at, user, v01
from tests.ledger.books import without_law
from tests.margin.sales.offers import coins

CENT = D("0.01")


def worth(**values: str) -> dict[str, Worth]:
    return {code: Worth(D(value), code in ("BTC", "ETH")) for code, value in values.items()}


def counted(own, totals, *caps):
    """What each asset counts for, after the tightest cap on it."""
    left = {code: each.margin_value for code, each in own.items()}
    for ceiling in ceilings(own, totals, caps):
        left[ceiling.code] = min(left[ceiling.code], ceiling.amount)
    return left


class TestV09:
    def test_a_single_name_counts_up_to_its_share_of_the_uncapped_total(self):
        own = worth(A="700000.00", B="200000.00", C="100000.00")
        cap = Cap(1, Scope.ACCOUNT, Measure.SINGLE_NAME, share=D("0.40"))

        assert counted(own, {}, cap)["A"] == D("400000.00")
        assert sum(counted(own, {}, cap).values()) == D("700000.00")

    def test_virtual_assets_count_up_to_half_of_securities_and_a_sale_does_not_oversell(self):
        stock = Holding("00005", D("1000000"), D("1.00"), D("0.50"))
        bitcoin = Holding("BTC", D("20"), D("100000"), D("0.60"))
        own = worth(s="500000.00", BTC="800000.00")
        bound = ceilings(own, {}, [Cap(1, Scope.ACCOUNT, Measure.VIRTUAL_ASSETS, share=D("0.5"))])
        stock, bitcoin = under_ceilings([stock, bitcoin], bound)

        plan = plan_sale(
            loan=D("800000.00"), holdings=[stock, bitcoin], candidates=[coins(bitcoin)], target=D(1)
        )

        assert plan.before.margin_value == D("750000.00")
        assert plan.before.deficiency == D("50000.00")
        (leg,) = plan.legs
        # 50,000 / 0.998 = 50,100.2004, to the satoshi above: the uncapped formula would sell 83,612.05.
        assert (leg.quantity, leg.gross) == (D("0.50100201"), D("50100.20"))
        assert plan.deficiency_after == 0


amounts = st.integers(0, 10**12).map(lambda cents: D(cents) / 100)
shares = st.decimals(D(0), D(1), places=4)


class TestLaws:
    @given(st.lists(amounts, min_size=1, max_size=5), amounts, shares)
    def test_splitting_a_holding_within_a_group_gains_nothing_over_a_cap(self, parts, other, share):
        cap = Cap(1, Scope.GROUP, Measure.SINGLE_NAME, code="BTC", share=share)
        accounts = [{"BTC": Worth(part, True)} for part in parts]
        total = add_up([*accounts, {"00005": Worth(other)}])
        whole = {"BTC": Worth(total["BTC"].margin_value, True)}

        split = sum(counted(own, {Scope.GROUP: total}, cap)["BTC"] for own in accounts)

        assert split <= counted(whole, {Scope.GROUP: total}, cap)["BTC"]

    @given(amounts, amounts, amounts, shares)
    def test_more_collateral_never_counts_less(self, held, more, other, share):
        caps = [
            Cap(1, Scope.ACCOUNT, Measure.SINGLE_NAME, share=share),
            Cap(2, Scope.ACCOUNT, Measure.VIRTUAL_ASSETS, share=share),
            Cap(3, Scope.ACCOUNT, Measure.AMOUNT, code="BTC", amount=D("1000.00")),
        ]
        before = worth(BTC=str(held), s=str(other))
        after = worth(BTC=str(held + more), s=str(other))

        assert sum(counted(after, {}, *caps).values()) >= sum(counted(before, {}, *caps).values())

    @given(st.dictionaries(st.sampled_from(["A", "B", "BTC", "ETH"]), amounts, min_size=1), shares)
    def test_virtual_assets_together_stay_within_their_share(self, values, share):
        own = {code: Worth(value, code in ("BTC", "ETH")) for code, value in values.items()}
        left = counted(own, {}, Cap(1, Scope.ACCOUNT, Measure.VIRTUAL_ASSETS, share=share))
        securities = sum(value.margin_value for value in own.values() if not value.is_virtual)

        assert sum(left[code] for code in left if own[code].is_virtual) <= share * securities

    @given(amounts, shares, shares)
    def test_a_higher_share_never_counts_less(self, held, one, other):
        own = worth(BTC=str(held), s="1000.00")
        low, high = (
            counted(own, {}, Cap(1, Scope.ACCOUNT, Measure.SINGLE_NAME, share=share))["BTC"]
            for share in sorted((one, other))
        )
        assert low <= high


def cap(world: World, scope: str, measure: str, day: str = "2026-04-02", **figures: object) -> CollateralCap:
    proposal = propose_cap(
        broker=world.broker,
        scope=scope,
        measure=measure,
        valid_from=date.fromisoformat(day),
        maker=user("wong"),
        **figures,
    )
    return approve_cap(proposal, checker=user("lee"))


@pytest.mark.django_db
class TestStored:
    def test_a_cap_that_bound_is_named_by_id_and_replays_after_it_changed(self):
        world, chan = v01()
        with at("2026-04-02 16:29"):
            row = cap(world, "account", "virtual_assets", share="0.30")
        with at("2026-04-02 16:30"):
            valuation = run_valuation(broker=world.broker).valuations.get()
            assert assess(chan).value.margin_value == valuation.margin_value
            told = json.dumps(explain(valuation))

        # 30% of 981,540.00 of securities instead of 444,600.00 of Bitcoin.
        assert valuation.margin_value == D("981540.00") + D("294462.00")
        bound = ValuationCap.objects.get()
        assert (bound.cap, bound.base, bound.ceiling) == (row, D("981540.00"), D("294462.00"))
        assert json.loads(told)["caps"][0]["id"] == row.pk
        line = valuation.lines.get(asset__code="BTC")
        assert (line.margin_value, line.uncapped_margin_value) == (D("294462.00"), D("444600.00"))

        with at("2026-04-03 10:00"):
            cap(world, "account", "virtual_assets", "2026-04-03", share="0.10")
        with at("2027-04-02 16:30"):
            assert json.dumps(explain(valuation)) == told
            assert replay(valuation)["is_equal"]

    def test_a_group_counts_a_name_once_and_strangers_are_not_touched(self):
        world, chan = v01()
        with at("2026-04-02 16:29"):
            lam, ho = world.client("C002", "Lam"), world.client("C003", "Ho")
            for each in (lam, ho):
                world.pledge(each, s00005="8000")
            open_group(broker=world.broker, name="Chan family", actor="wong")
            for each in (chan, lam):
                set_group(client=each.client, group="Chan family", actor="wong")
                each.client.refresh_from_db()
            cap(world, "group", "amount", asset="00005", amount="600000.00")
        with at("2026-04-02 16:30"):
            run = run_valuation(broker=world.broker)
            alone = assess(lam).value.margin_value

        lines = {v.facility_id: v.lines.get(asset__code="00005").margin_value for v in run.valuations.all()}
        assert lines == {chan.pk: D("300000.00"), lam.pk: D("300000.00"), ho.pk: D("551040.00")}
        assert alone == D("300000.00")

    def test_the_firm_counts_a_name_up_to_its_cap_and_the_run_keeps_its_totals(self):
        world, _chan = v01()
        with at("2026-04-02 16:29"):
            ho = world.client("C003", "Ho")
            world.pledge(ho, s00005="24000")
            cap(world, "firm", "amount", asset="00005", amount="1000000.00")
        with at("2026-04-02 16:30"):
            run = run_valuation(broker=world.broker)
            again = assess(ho).value.margin_value
            more = assess(ho, less={"00005": D("24000")}).value.margin_value
        stored = {v.facility_id: v for v in run.valuations.all()}

        assert run.totals.get(asset__code="00005").margin_value == D("2204160.00")
        assert stored[ho.pk].margin_value == D("750000.00") == again
        assert more == 0
        assert all(replay(valuation)["is_equal"] for valuation in stored.values())
        assert not [found for found in audit.run().findings if found.check == "margin.run_totals_add_up"]

    def test_a_total_of_a_run_that_was_made_smaller_is_found(self):
        world, _chan = v01()
        with at("2026-04-02 16:29"):
            cap(world, "firm", "single_name", share="1")
        with at("2026-04-02 16:30"):
            run = run_valuation(broker=world.broker)
        without_law("UPDATE margin_valuationruntotal SET margin_value = 1 WHERE margin_value = 444600")

        found = [each.subject for each in audit.run().findings if each.check == "margin.run_totals_add_up"]
        assert found == [f"valuation run {run.pk}"]

    def test_a_cap_needs_two_people_a_figure_that_fits_and_a_day_to_come(self):
        world, _chan = v01()
        with at("2026-04-02 16:29"):
            terms = {
                "broker": world.broker,
                "scope": "account",
                "valid_from": date(2026, 4, 2),
                "maker": user("wong"),
            }
            for figures, code in (
                ({"measure": "single_name"}, "share_or_amount"),
                ({"measure": "single_name", "share": "1.01"}, "OUT_OF_RANGE"),
                ({"measure": "virtual_assets", "share": "0.5", "asset": "BTC"}, "share_or_amount"),
                ({"measure": "amount", "amount": "5.00"}, "share_or_amount"),
                ({"measure": "amount", "amount": "5.001", "asset": "BTC"}, "INEXACT"),
                ({"measure": "amount", "amount": "5.00", "asset": "SHIB"}, "unknown_asset"),
            ):
                with pytest.raises(Invalid) as refused:
                    propose_cap(**terms, **figures)
                assert refused.value.reason == code
            proposal = propose_cap(**terms, measure="single_name", share="0.40")
            with pytest.raises(Forbidden):
                approve_cap(proposal, checker=user("wong"))
            other = propose_cap(**terms, measure="single_name", share="0.30")
            approve_cap(proposal, checker=user("lee"))
            with pytest.raises(Conflict):
                approve_cap(other, checker=user("lee"))
            with pytest.raises(Invalid, match="past"):
                propose_cap(**terms | {"valid_from": date(2026, 4, 1)}, measure="single_name", share="0.2")

    def test_raw_sql_is_refused_what_the_service_refuses(self):
        world, chan = v01()
        with at("2026-04-02 16:29"):
            row = cap(world, "account", "single_name", share="0.40")
            own = ClientGroup.objects.create(broker=world.broker, name="Family")
            strange = ClientGroup.objects.create(broker=peak_brokerage(), name="Others")
        wrong = CollateralCap(
            broker=world.broker,
            scope="account",
            measure="amount",
            share=D("0.4"),
            valid_from=date(2026, 5, 1),
            maker=user("wong"),
            made_at=row.made_at,
        )
        with pytest.raises(IntegrityError, match="share_or_amount"), transaction.atomic():
            wrong.save()
        with pytest.raises(DatabaseError), transaction.atomic():
            CollateralCap.objects.filter(pk=row.pk).update(share=D("0.9"))
        with pytest.raises(IntegrityError, match="keeps its firm"), transaction.atomic():
            ClientGroup.objects.filter(pk=own.pk).update(broker=strange.broker)
        with pytest.raises(IntegrityError, match="of another firm"), transaction.atomic():
            Client.objects.filter(pk=chan.client_id).update(group=strange)

    def test_caps_and_groups_over_the_api(self):
        world, chan = v01()
        person = user("ho", is_superuser=True)
        with at("2026-04-02 16:29"):
            house = signed_in(person)
            firm = f"?broker={world.broker.code}"
            made = house.post(
                f"collateral-caps{firm}",
                {
                    "scope": "group",
                    "measure": "single_name",
                    "share": "0.40",
                    "valid_from": "2026-04-02",
                    "reason": "Board",
                },
            )
            assert made.status_code == 201, made.json()
            own = house.post(f"collateral-caps/{made.json()['id']}:approve{firm}", {})
            assert own.json()["code"] == "maker_is_checker"
            assert house.post(f"client-groups{firm}", {"name": "Family"}).status_code == 201
            joined = house.post(f"clients/{chan.client.number}/group{firm}", {"group": "Family"})
            assert joined.json()["group"] == "Family"
