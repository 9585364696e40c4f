"""What may secure what: the rules first, then the house, dated and by two people, the same at every door."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from itertools import product as every

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from collateral.eligibility import (
    LENDABLE_COINS,
    approve_eligibility,
    import_eligibilities,
    may_secure,
    propose_eligibility,
    standing_of,
)
from collateral.haircuts import import_haircuts
from collateral.models import Eligibility, EntityType, Instrument, Product
from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.models import Asset
from tests.api.conftest import signed_in

from .market import at

pytestmark = pytest.mark.django_db

TODAY, TOMORROW = "2026-03-09 09:00", "2026-03-10"
BANK = EntityType.REGISTERED_INSTITUTION
PLATFORM = {"entity_type": EntityType.TRADING_PLATFORM, "product": Product.PERPETUAL}
LOAN = {"entity_type": EntityType.LICENSED_CORPORATION, "product": Product.MARGIN_LOAN}


def asset(code: str, kind: str) -> Asset:
    is_located = kind not in Asset.UNLOCATED_KINDS
    return Asset.objects.create(code=code, name=code, kind=kind, scale=6, is_located=is_located)


def decide(code: str, *, accepted: bool, day: str = TOMORROW, **key: str) -> Eligibility:
    row = propose_eligibility(
        asset=code,
        is_accepted=accepted,
        valid_from=date.fromisoformat(day),
        maker=User.objects.get(username="wong"),
        **key,
    )
    return approve_eligibility(row, checker=User.objects.get(username="lee"))


def test_bitcoin_secures_a_margin_loan_and_never_a_perpetual(bitcoin: Instrument, wong: User) -> None:
    assert may_secure(bitcoin.asset, **LOAN)
    assert not may_secure(bitcoin.asset, **PLATFORM)
    with at(TODAY), pytest.raises(Invalid) as refused:
        propose_eligibility(
            asset="BTC", is_accepted=True, valid_from=date(2026, 3, 10), maker=wong, **PLATFORM
        )
    assert refused.value.reason == "INELIGIBLE_ASSET"


def test_v29_a_perpetual_takes_money_and_what_the_house_accepted_as_licensed(
    hsbc: Instrument, wong: User, lee: User
) -> None:
    for code, kind in (("HKDX", "stablecoin"), ("TDHKD", "tokenised_deposit"), ("USDT", "stablecoin")):
        asset(code, kind)
    with at(TODAY):
        decide("HKDX", accepted=True, day="2026-01-01", **PLATFORM)
        decide("TDHKD", accepted=True, day="2026-01-01", **PLATFORM)
        codes = ("HKD", "USD", "HKDX", "TDHKD", "BTC", "ETH", "00005", "USDT")
        taken = [code for code in codes if may_secure(Asset.objects.get(code=code), **PLATFORM)]
    assert taken == ["HKD", "USD", "HKDX", "TDHKD"]


def test_the_database_says_of_every_asset_what_the_service_says() -> None:
    said = {}
    codes = ["", "01AB2C3D4", *sorted(LENDABLE_COINS)]
    keys = list(every([*EntityType.values, "other"], [*Product.values, "other"], Asset.Kind.values, codes))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e, p, k, c, collateral_standing(e, p, k, c)"
            "  FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS t (e, p, k, c)",
            [list(column) for column in zip(*keys, strict=True)],
        )
        for entity_type, product, kind, code, answer in cursor.fetchall():
            said[entity_type, product, kind, code] = answer
    assert said == {
        key: standing_of(Asset(kind=key[2], standard_code=key[3]), entity_type=key[0], product=key[1])
        for key in keys
    }
    lent_against = {
        key[3] for key, answer in said.items() if key[2] == "virtual_asset" and answer != "forbidden"
    }
    assert lent_against == LENDABLE_COINS


def test_an_exclusion_counts_from_its_day_and_is_taken_back_from_another(
    hsbc: Instrument, wong: User, lee: User
) -> None:
    with at(TODAY):
        decide("00005", accepted=False)
        decide("00005", accepted=True, day="2026-03-20")
        with pytest.raises(Conflict) as taken:
            decide("00005", accepted=True, day="2026-03-20")
        assert taken.value.reason == "already_effective"
    days = ("2026-03-09", "2026-03-10", "2026-03-19", "2026-03-20")
    answers = [may_secure(hsbc.asset, **LOAN, on=date.fromisoformat(day)) for day in days]
    assert answers == [True, False, False, True]


def test_a_decision_needs_two_people_and_does_not_reach_back(hsbc: Instrument, wong: User, lee: User) -> None:
    with at(TODAY):
        row = propose_eligibility(asset="00005", is_accepted=False, valid_from=date(2026, 3, 9), maker=wong)
        with pytest.raises(Conflict):
            propose_eligibility(asset="00005", is_accepted=False, valid_from=date(2026, 3, 9), maker=lee)
        with pytest.raises(Forbidden):
            approve_eligibility(row, checker=wong)
        with pytest.raises(Invalid) as back:
            propose_eligibility(asset="00005", is_accepted=False, valid_from=date(2026, 3, 8), maker=wong)
        assert back.value.reason == "RETROACTIVE"
    with at("2026-03-10 09:00"), pytest.raises(Invalid) as late:
        approve_eligibility(row, checker=lee)
    assert late.value.reason == "RETROACTIVE"
    assert may_secure(hsbc.asset, **LOAN, on=date(2026, 3, 10))


def by_form(operator: User, code: str, kind: str, product: str) -> str:
    browser = Client()
    browser.force_login(operator)
    response = browser.post(
        reverse("admin:collateral_eligibility_add"),
        {
            "asset": Asset.objects.get(code=code).pk,
            "is_accepted": "on",
            "valid_from": TOMORROW,
            "entity_type": kind,
            "product": product,
        },
    )
    if response.status_code == 302:
        return "OK"
    (error,) = response.context["adminform"].form.errors.as_data().values()
    return str(error[0].code)


def by_api(operator: User, code: str, kind: str, product: str) -> str:
    body = {
        "asset": code,
        "is_accepted": True,
        "valid_from": TOMORROW,
        "entity_type": kind,
        "product": product,
    }
    reply = signed_in(operator).post("eligibilities", body)
    return "OK" if reply.status_code == 201 else str(reply.json()["code"])


def by_file(operator: User, code: str, kind: str, product: str) -> str:
    lines = f"asset,accepted,valid_from,entity_type,product\n{code},yes,{TOMORROW},{kind},{product}\n"
    done = import_eligibilities(io.StringIO(lines), maker=operator)
    return done.errors[0].code if done.errors else "OK"


def by_sql(operator: User, code: str, kind: str, product: str) -> str:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO collateral_eligibility (entity_type, product, asset_id, is_accepted, valid_from,"
                " approval, maker_id, made_at, reason)"
                " SELECT %s, %s, id, true, %s, 'proposed', %s, now(), '' FROM ledger_asset WHERE code = %s",
                [kind, product, TOMORROW, operator.pk, code],
            )
    except IntegrityError as error:
        return str(error.__cause__.diag.constraint_name)  # type: ignore[union-attr]
    return "OK"


@pytest.mark.parametrize("door", [by_form, by_api, by_file, by_sql])
def test_no_door_admits_what_the_rules_forbid(door: Callable[..., str], hsbc: Instrument) -> None:
    operator = User.objects.create_superuser("ho")
    asset("SOL", Asset.Kind.VIRTUAL_ASSET)
    asset("USDT", Asset.Kind.STABLECOIN)
    asked = [
        ("BTC", "licensed_corporation", "margin_loan"),
        ("00005", "licensed_corporation", "margin_loan"),
        ("USDT", "registered_institution", "margin_loan"),
        ("USDT", "trading_platform", "perpetual"),
        ("SOL", "licensed_corporation", "margin_loan"),
        ("USDT", "licensed_corporation", "margin_loan"),
        ("BTC", "trading_platform", "perpetual"),
        ("00005", "trading_platform", "perpetual"),
        ("BTC", "trading_platform", "margin_loan"),
    ]
    with at(TODAY):
        answers = [door(operator, *each) for each in asked]
    assert answers == ["OK"] * 4 + ["INELIGIBLE_ASSET"] * 5
    assert Eligibility.objects.count() == 4


@pytest.mark.parametrize(
    ("statement", "wall"),
    [
        (
            "UPDATE collateral_eligibility SET approval = 'approved', checker_id = maker_id, checked_at = now()",
            "maker",
        ),
        ("UPDATE collateral_eligibility SET is_accepted = true", "decided once"),
        (
            "UPDATE collateral_eligibility SET approval = 'approved', is_accepted = true, checker_id = {lee},"
            " checked_at = now()",
            "decided once",
        ),
        ("DELETE FROM collateral_eligibility", "append-only"),
        ("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE collateral_eligibility CASCADE", "append-only"),
    ],
    ids=["self-approval", "another answer", "approved otherwise", "delete", "truncate"],
)
def test_raw_sql_decides_nothing_alone(
    hsbc: Instrument, wong: User, lee: User, statement: str, wall: str
) -> None:
    with at(TODAY):
        row = propose_eligibility(asset="00005", is_accepted=False, valid_from=date(2026, 3, 10), maker=wong)
    with pytest.raises(DatabaseError, match=wall), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(lee=lee.pk))
    row.refresh_from_db()
    assert (row.approval, row.is_accepted) == ("proposed", False)


def test_a_stablecoin_has_a_haircut_at_a_bank_only_once_it_was_accepted(wong: User, lee: User) -> None:
    asset("HKDX", Asset.Kind.STABLECOIN)
    file = f"asset,haircut,valid_from,entity_type\nHKDX,0.10,{TOMORROW},{BANK}\nHKDX,0.10,{TOMORROW},\n"
    insert = (
        "INSERT INTO collateral_lendinghaircut (entity_type, product, asset_id, haircut, valid_from, approval,"
        " maker_id, made_at, reason) SELECT 'registered_institution', 'margin_loan', id, 0.10, '2026-03-11',"
        " 'proposed', %s, now(), '' FROM ledger_asset WHERE code = 'HKDX'"
    )
    with at(TODAY):
        assert [error.code for error in import_haircuts(io.StringIO(file), maker=wong).errors] == [
            "INELIGIBLE_ASSET"
        ] * 2
        with (
            pytest.raises(IntegrityError, match="INELIGIBLE_ASSET"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(insert, [wong.pk])
        decide("HKDX", accepted=True, entity_type=BANK)
        with connection.cursor() as cursor:
            cursor.execute(insert, [wong.pk])
        assert [error.line for error in import_haircuts(io.StringIO(file), maker=wong).errors] == [3]


def test_a_file_becomes_proposals_line_by_line(hsbc: Instrument, wong: User) -> None:
    file = "asset,accepted,valid_from\n00005,no,2026-03-10\nBTC,perhaps,2026-03-10\nWBTC,yes,2026-03-10\n"
    with at(TODAY):
        done = import_eligibilities(io.StringIO(file), maker=wong)
    assert [(error.line, error.code) for error in done.errors] == [(3, "NOT_A_FLAG"), (4, "INELIGIBLE_ASSET")]
    assert [(line, str(row.asset), row.is_accepted) for line, row in done.proposals.items()] == [
        (2, "00005", False)
    ]


def test_a_person_looks_at_the_screen_and_decides_over_the_api(
    hsbc: Instrument, wong: User, lee: User
) -> None:
    operator = User.objects.create_superuser("ho")
    browser = Client()
    browser.force_login(operator)
    with at(TODAY):
        assert (
            "Until the house decides"
            in browser.get(reverse("admin:collateral_eligibility_changelist")).content.decode()
        )
        row = propose_eligibility(asset="00005", is_accepted=False, valid_from=date(2026, 3, 10), maker=wong)
        shown = browser.get(reverse("admin:collateral_eligibility_change", args=[row.pk])).content.decode()
        assert "excluded" in shown
        reply = signed_in(operator).post(f"eligibilities/{row.pk}:approve", {})
    assert (reply.status_code, reply.json()["approval"], reply.json()["checker"]) == (200, "approved", "ho")
    listed = signed_in(operator).get("eligibilities", asset="00005").json()["results"]
    assert [each["is_accepted"] for each in listed] == [False]
