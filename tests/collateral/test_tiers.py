"""Marginal slices of value: the peers' figures, the laws, and one word at every door for a floor in each slice."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from collateral.haircuts import approve_haircut, import_haircuts, propose_haircut
from collateral.models import HaircutTier, Instrument, LendingHaircut
from collateral.valuation import Holding, Tier, explain, value_account, value_holding
from ledger.core.errors import Conflict
from tests.api.conftest import signed_in

from .market import at

D = Decimal
TODAY, TOMORROW = "2026-03-09 09:00", "2026-03-10"
DAY = date.fromisoformat(TOMORROW)
CENT = D("0.01")


def held(amount: object, first: str, *tiers: tuple[str, str]) -> Holding:
    """An amount of something worth one dollar each."""
    return Holding("X", D(str(amount)), D(1), D(first), tiers=tuple(Tier(D(a), D(h)) for a, h in tiers))


@pytest.mark.parametrize(
    ("holding", "margin_value"),
    [
        (held("11000000", "0", ("5000000", "0.1"), ("10000000", "0.2")), "10300000.00"),
        (held("50000", "1"), "0.00"),
        (held("10000000", "0.05", ("2000000", "0.15"), ("4000000", "0.5"), ("8000000", "1")), "5600000.00"),
        (held("25000000", "0", ("13000000", "0.025"), ("20000000", "1")), "19825000.00"),
        (held("5000000", "0", ("5000000", "0.1")), "5000000.00"),
    ],
    ids=["USDT", "ZRX", "BETH", "BNX", "on-the-bound"],
)
def test_slices_give_what_the_exchanges_publish(holding: Holding, margin_value: str) -> None:
    assert value_holding(holding).margin_value == D(margin_value)


def test_the_slices_are_rounded_once_and_name_their_rows() -> None:
    bitcoin = Holding(
        "BTC",
        D("1.5"),
        D("95000"),
        D("0.60"),
        D("7.8"),
        haircut_ref=7,
        tiers=(Tier(D("1000000.01"), D("0.75"), 8), Tier(D("2000000"), D(1), 9)),
    )

    (told,) = explain(value_account([bitcoin], []))["holdings"]  # type: ignore[union-attr]

    assert told["margin_value"] == "427875.00"
    assert told["margin_value_unrounded"] == "427875.0015"
    assert [(part["ref"], part["market_value"]) for part in told["slices"]] == [
        ("7", "1000000.01"),
        ("8", "111499.99"),
    ]
    assert bitcoin.top_haircut == D("0.75")


@pytest.mark.parametrize(
    "tiers", [[("0", "0.7")], [("5", "0.5")], [("5", "0.7"), ("5", "0.8")], [("5", "1.1")]]
)
def test_tiers_out_of_order_are_no_holding(tiers: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match="out of order"):
        held("1", "0.6", *tiers)


prices = st.decimals(D("0.001"), D("100000"), places=3)
quantities = st.decimals(D(0), D("1000000"), places=8)
fractions = st.decimals(D(0), D(1), places=4)


@st.composite
def schedules(draw: Callable[..., list[Decimal]]) -> tuple[Decimal, tuple[Tier, ...]]:
    """A first haircut and up to three tiers, rising in both columns."""
    bounds = sorted(draw(st.sets(st.decimals(D("0.01"), D("10000000"), places=2), max_size=3)))
    first, *others = sorted(draw(st.lists(fractions, min_size=len(bounds) + 1, max_size=len(bounds) + 1)))
    return first, tuple(map(Tier, bounds, others))


class TestLaws:
    @given(schedules(), quantities, prices, prices)
    def test_a_higher_price_is_never_worth_less(self, schedule, quantity, one, other):
        first, tiers = schedule
        low, high = (
            value_holding(Holding("X", quantity, price, first, tiers=tiers)) for price in sorted((one, other))
        )
        assert low.market_value <= high.market_value
        assert low.margin_value <= high.margin_value

    @given(schedules(), schedules(), quantities, prices)
    def test_a_higher_haircut_in_any_slice_never_lends_more(self, schedule, other, quantity, price):
        first, tiers = schedule
        raise_to = other[0]
        higher = tuple(Tier(tier.above, max(tier.haircut, raise_to)) for tier in tiers)
        mild = value_holding(Holding("X", quantity, price, first, tiers=tiers))
        strict = value_holding(Holding("X", quantity, price, max(first, raise_to), tiers=higher))
        assert strict.margin_value <= mild.margin_value

    @given(schedules(), st.sampled_from([-1, 0]))
    def test_margin_value_is_continuous_across_a_bound(self, schedule, offset):
        first, tiers = schedule
        for tier in tiers:
            cents = tier.above + offset * CENT
            here, beyond = (
                value_holding(Holding("X", amount, D(1), first, tiers=tiers)).margin_value
                for amount in (cents, cents + CENT)
            )
            assert 0 <= beyond - here <= CENT

    @given(schedules(), quantities, prices)
    def test_tiers_that_all_say_the_same_are_no_tiers(self, schedule, quantity, price):
        first, tiers = schedule
        same = tuple(Tier(tier.above, first) for tier in tiers)
        assert (
            value_holding(Holding("X", quantity, price, first, tiers=same)).margin_value
            == value_holding(Holding("X", quantity, price, first)).margin_value
        )

    @given(schedules(), quantities, prices)
    def test_an_unchanged_snapshot_changes_nothing(self, schedule, quantity, price):
        first, tiers = schedule
        told = [
            explain(value_account([Holding("X", quantity, price, first, tiers=tiers)], [])) for _ in range(2)
        ]
        assert told[0] == told[1]


def by_form(operator: User, asset: str, haircut: str, tiers: str) -> str:
    browser = Client()
    browser.force_login(operator)
    response = browser.post(
        reverse("admin:collateral_lendinghaircut_add"),
        {
            "asset": asset,
            "haircut": haircut,
            "tiers": tiers,
            "valid_from": TOMORROW,
            "entity_type": "licensed_corporation",
            "product": "margin_loan",
            "reason": "",
        },
    )
    if response.status_code == 302:
        return "OK"
    (error,) = response.context["adminform"].form.errors.as_data().values()
    return str(error[0].code)


def by_api(operator: User, asset: str, haircut: str, tiers: str) -> str:
    pairs = [pair.split(":") for pair in tiers.split(";")]
    rows = [{"above": above.strip(), "haircut": of_tier.strip()} for above, of_tier in pairs]
    reply = signed_in(operator).post(
        "haircuts", {"asset": asset, "haircut": haircut, "tiers": rows, "valid_from": TOMORROW}
    )
    if reply.status_code == 201:
        assert len(reply.json()["tiers"]) == len(rows)
        return "OK"
    assert reply.status_code == 422
    return str(reply.json()["code"])


def by_file(operator: User, asset: str, haircut: str, tiers: str) -> str:
    lines = io.StringIO(f"asset,haircut,valid_from,tiers\n{asset},{haircut},{TOMORROW},{tiers}\n")
    done = import_haircuts(lines, maker=operator)
    return done.errors[0].code if done.errors else "OK"


def by_sql(operator: User, asset: str, haircut: str, tiers: str) -> str:
    pairs = [pair.split(":") for pair in tiers.split(";")]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO collateral_lendinghaircut (entity_type, product, asset_id, haircut, tier_count,"
                " valid_from, approval, maker_id, made_at, reason)"
                " SELECT 'licensed_corporation', 'margin_loan', id, %s::numeric, %s,"
                "        %s, 'proposed', %s, now(), ''"
                "   FROM ledger_asset WHERE code = %s RETURNING id",
                [haircut, len(pairs), TOMORROW, operator.pk, asset],
            )
            (parent,) = cursor.fetchone()
            for above, of_tier in pairs:
                cursor.execute(
                    "INSERT INTO collateral_haircuttier (parent_id, above, haircut)"
                    " VALUES (%s, %s::numeric, %s::numeric)",
                    [parent, above.strip(), of_tier.strip()],
                )
    except IntegrityError as error:
        return str(error.__cause__.diag.constraint_name)  # type: ignore[union-attr]
    return "OK"


@pytest.fixture
def operator(hsbc: Instrument) -> User:
    return User.objects.create_superuser("ho")


@pytest.mark.django_db
@pytest.mark.parametrize("door", [by_form, by_api, by_file, by_sql])
@pytest.mark.parametrize(
    ("asset", "haircut", "tiers", "answer"),
    [
        ("BTC", "0.60", "2000000:0.65; 5000000.50:1", "OK"),
        ("BTC", "0.60", "2000000:0.599999", "BELOW_FLOOR"),
        ("BTC", "0.70", "2000000:0.80; 5000000:0.59", "BELOW_FLOOR"),
        ("BTC", "0.70", "2000000:0.65", "TIERS_OUT_OF_ORDER"),
        ("00005", "0.30", "2000000:0.50; 5000000:0.40", "TIERS_OUT_OF_ORDER"),
        ("00005", "0.30", "2000000:60", "OUT_OF_RANGE"),
        ("00005", "0.30", "2000000:NaN", "OUT_OF_RANGE"),
        ("00005", "0.30", "2000000:0.123456789", "INEXACT"),
    ],
)
def test_the_same_answer_at_every_door(
    operator: User, door: Callable[..., str], asset: str, haircut: str, tiers: str, answer: str
) -> None:
    with at(TODAY):
        assert door(operator, asset, haircut, tiers) == answer
    assert LendingHaircut.objects.count() == (1 if answer == "OK" else 0)
    assert HaircutTier.objects.count() == (2 if answer == "OK" else 0)


@pytest.mark.django_db
@pytest.mark.parametrize("door", [by_form, by_file])
@pytest.mark.parametrize("tiers", ["2000000", "a:b:c"])
def test_text_that_is_no_list_of_tiers(operator: User, door: Callable[..., str], tiers: str) -> None:
    with at(TODAY):
        assert door(operator, "00005", "0.30", tiers) == "NOT_TIERS"


@pytest.mark.django_db
class TestDecision:
    TIERS = ({"above": "2000000", "haircut": "0.70"},)

    def test_tiers_are_proposed_and_decided_with_their_haircut(self, wong: User, lee: User, hsbc: Instrument):
        terms = {"asset": "BTC", "haircut": "0.60", "valid_from": DAY, "maker": wong}
        with at(TODAY):
            tiered = propose_haircut(**terms, tiers=self.TIERS)
            with pytest.raises(Conflict) as twice:
                propose_haircut(**terms, tiers=self.TIERS)
            assert twice.value.reason == "already_proposed"
            propose_haircut(**terms)
            approve_haircut(tiered, checker=lee)

        with pytest.raises(DatabaseError), transaction.atomic():
            HaircutTier.objects.filter(parent=tiered).update(haircut=D("0.90"))
        with pytest.raises(DatabaseError), transaction.atomic():
            HaircutTier.objects.filter(parent=tiered).delete()

    def test_no_tier_is_slipped_in_before_or_after_the_decision(
        self, wong: User, lee: User, hsbc: Instrument
    ):
        with at(TODAY):
            tiered = propose_haircut(
                asset="BTC", haircut="0.60", valid_from=DAY, maker=wong, tiers=self.TIERS
            )
            more = HaircutTier(parent=tiered, above=D("9000000"), haircut=D("0.90"))
            with pytest.raises(IntegrityError, match="TIERS_CLOSED"), transaction.atomic():
                more.save()
            approve_haircut(tiered, checker=lee)
            with pytest.raises(IntegrityError, match="TIERS_CLOSED"), transaction.atomic():
                more.save()

    def test_a_haircut_without_the_tiers_it_announces_is_not_approved(
        self, wong: User, lee: User, hsbc: Instrument
    ):
        with at(TODAY):
            bare = propose_haircut(asset="BTC", haircut="0.60", valid_from=DAY, maker=wong)
            announced = LendingHaircut.objects.get(pk=bare.pk)
            announced.pk, announced.tier_count = None, 1
            announced.save(force_insert=True)
            with pytest.raises(IntegrityError, match="TIERS_INCOMPLETE"), transaction.atomic():
                approve_haircut(announced, checker=lee)
