"""V05: form, API, file and raw SQL answer every haircut with the same word."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from collateral.haircuts import import_haircuts
from collateral.models import Instrument, LendingHaircut
from ledger.models import Asset
from tests.api.conftest import signed_in

from .market import at

pytestmark = pytest.mark.django_db

TODAY, TOMORROW = "2026-03-09 09:00", "2026-03-10"

V05 = [
    ("BTC", "0.60", "OK"),
    ("BTC", "0.6000", "OK"),
    ("ETH", "0.75", "OK"),
    ("ETH", "1.00", "OK"),
    ("BTC", "0.599999", "BELOW_FLOOR"),
    ("BTC", "0.5999999999", "BELOW_FLOOR"),
    ("BTC", "60", "OUT_OF_RANGE"),
    ("BTC", "-0.10", "OUT_OF_RANGE"),
    ("BTC", "NaN", "OUT_OF_RANGE"),
    ("ETH", "Infinity", "OUT_OF_RANGE"),
    ("SOL", "0.90", "INELIGIBLE_ASSET"),
    ("USDT", "0.60", "INELIGIBLE_ASSET"),
    ("HKD", "0.01", "INELIGIBLE_ASSET"),
    ("SOL", "60", "OUT_OF_RANGE"),
    ("SOL", "0.10", "INELIGIBLE_ASSET"),
    ("BTC", "0.7000000001", "INEXACT"),
    ("00005", "0.30", "OK"),
    ("00005", "0", "OK"),
    ("00005", "1.00000001", "OUT_OF_RANGE"),
    ("00005", "0.123456789", "INEXACT"),
]


def by_form(operator: User, asset: str, haircut: str) -> str:
    browser = Client()
    browser.force_login(operator)
    response = browser.post(
        reverse("admin:collateral_lendinghaircut_add"),
        {
            "asset": asset,
            "haircut": haircut,
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


def by_api(operator: User, asset: str, haircut: str) -> str:
    reply = signed_in(operator).post("haircuts", {"asset": asset, "haircut": haircut, "valid_from": TOMORROW})
    if reply.status_code == 201:
        return "OK"
    assert reply.status_code == 422
    return str(reply.json()["code"])


def by_file(operator: User, asset: str, haircut: str) -> str:
    lines = io.StringIO(f"asset,haircut,valid_from\n{asset},{haircut},{TOMORROW}\n")
    done = import_haircuts(lines, maker=operator)
    return done.errors[0].code if done.errors else "OK"


def by_sql(operator: User, asset: str, haircut: str) -> str:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO collateral_lendinghaircut"
                " (entity_type, product, asset_id, haircut, valid_from, approval, maker_id, made_at, reason)"
                " SELECT 'licensed_corporation', 'margin_loan', id, %s::numeric,"
                "        %s, 'proposed', %s, now(), ''"
                "   FROM ledger_asset WHERE code = %s",
                [haircut, TOMORROW, operator.pk, asset],
            )
    except IntegrityError as error:
        return str(error.__cause__.diag.constraint_name)  # type: ignore[union-attr]
    return "OK"


@pytest.fixture
def operator(hsbc: Instrument) -> User:
    """A house operator, in a house that also books Solana and a stablecoin."""
    for code, kind in (("SOL", Asset.Kind.VIRTUAL_ASSET), ("USDT", Asset.Kind.STABLECOIN)):
        Asset.objects.create(code=code, name=code, kind=kind, scale=6, is_located=True)
    return User.objects.create_superuser("ho")


@pytest.mark.parametrize("door", [by_form, by_api, by_file, by_sql])
@pytest.mark.parametrize(("asset", "haircut", "answer"), V05)
def test_the_same_answer_at_every_door(
    operator: User, door: Callable[[User, str, str], str], asset: str, haircut: str, answer: str
) -> None:
    with at(TODAY):
        assert door(operator, asset, haircut) == answer
    assert LendingHaircut.objects.count() == (1 if answer == "OK" else 0)


@pytest.mark.parametrize("door", [by_form, by_api, by_file])
@pytest.mark.parametrize(
    ("asset", "haircut", "answer"),
    [
        ("WBTC", "0.90", "INELIGIBLE_ASSET"),
        ("WBTC", "60", "OUT_OF_RANGE"),
        ("BTC", "sixty", "INEXACT"),
        ("BTC", "6e-1", "INEXACT"),
        ("BTC", "-0", "INEXACT"),
        ("BTC", "٠.٦", "INEXACT"),
    ],
)
def test_what_sql_could_not_even_be_asked(
    operator: User, door: Callable[[User, str, str], str], asset: str, haircut: str, answer: str
) -> None:
    with at(TODAY):
        assert door(operator, asset, haircut) == answer
    assert not LendingHaircut.objects.exists()
