"""An exact number has one spelling; every other one is refused by the name of field and rule."""

from __future__ import annotations

import pytest

from ledger.models import Journal

from .conftest import House, broken_rules, problem

HUGE = "9" * 21


RULES = [
    ("0.1", "not_a_string"),
    ("1", "not_a_string"),
    ("1e400", "not_a_string"),
    ("true", "not_a_string"),
    ("null", "null"),
    ("[]", "not_a_string"),
    ("{}", "not_a_string"),
    ('"1e3"', "not_plain"),
    ('"1E-2"', "not_plain"),
    ('"1e400"', "not_plain"),
    ('"NaN"', "not_plain"),
    ('"sNaN"', "not_plain"),
    ('"Infinity"', "not_plain"),
    ('"-Infinity"', "not_plain"),
    ('""', "not_plain"),
    ('" 1"', "not_plain"),
    ('"1\\n"', "not_plain"),
    ('"+1"', "not_plain"),
    ('"1,000"', "not_plain"),
    ('"1_000"', "not_plain"),
    ('".5"', "not_plain"),
    ('"5."', "not_plain"),
    ('"0x10"', "not_plain"),
    ('"１"', "not_plain"),
    ('"١"', "not_plain"),
    ('"\\u0000"', "not_plain"),
    (f'"{"1" * 81}"', "not_plain"),
    ('"-0"', "negative_zero"),
    ('"-0.00"', "negative_zero"),
    ('"0.001"', "surplus_decimals"),
    ('"0"', "not_positive"),
    ('"-5"', "not_positive"),
    (f'"{HUGE}"', "too_large"),
]


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("clients/C001/cash-deposits", '"currency": "HKD"'),
        ("facilities/{facility}/drawdowns", '"purpose": "securities"'),
    ],
)
def test_a_bad_number_is_refused_by_field_and_rule(house: House, path: str, rest: str):
    before = Journal.objects.count()
    answers = [
        broken_rules(
            house.system.send(
                path.format(facility=house.chan.pk),
                f'{{{rest}, "amount": {written}}}',
                **{"Idempotency-Key": "deposit-1"},
            )
        )
        for written, _rule in RULES
    ]
    assert dict(zip(RULES, answers, strict=True)) == {row: [("amount", row[1])] for row in RULES}
    assert Journal.objects.count() == before


def test_a_quantity_is_exact_at_the_scale_of_its_asset(house: House):
    path = "clients/C001/collateral-deposits"
    for asset, quantity in (("BTC", "0.000000001"), ("00005", "0.5")):
        told = problem(house.system.post(path, {"asset": asset, "quantity": quantity}), 422, "inexact")
        assert told["errors"][0]["field"] == "quantity"
    assert house.system.post(path, {"asset": "ETH", "quantity": "0.000000000000000001"}).status_code == 201
    response = house.system.post(path, {"asset": "ETH", "quantity": "0.0000000000000000001"})
    assert broken_rules(response) == [("quantity", "surplus_decimals")]


def test_trailing_zeros_are_not_surplus(house: House):
    response = house.system.post("clients/C001/cash-deposits", {"currency": "HKD", "amount": "12.5000"})
    assert response.status_code == 201
    assert {e["amount"] for e in response.json()["journal"]["entries"]} == {"12.50", "-12.50"}


@pytest.mark.parametrize(
    "raw",
    [
        '{"currency": "HKD", "amount": NaN}',
        '{"currency": "HKD", "amount": Infinity}',
        '{"currency": "HKD", "amount": "1", "amount": "2"}',
        '{"currency": "HKD", "amount": "1"',
        "\xff",
        "[" * 100_000,
        '{"amount": ' + "9" * 5_000 + "}",
    ],
)
def test_what_is_not_json_cannot_be_read(house: House, raw: str):
    response = house.system.send("clients/C001/cash-deposits", raw, **{"Idempotency-Key": "deposit-1"})
    problem(response, 400, "parse_error")
