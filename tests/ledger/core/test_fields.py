"""Exact columns refuse in Python and in PostgreSQL alike; the haircut's column stands for all of its kind."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import Error, connection

from ledger.core.fields import AtomsField, ExactDecimalField, ExactMoneyField, price_field, rate_field

rate = rate_field("haircut")


@pytest.fixture
def columns(db: None) -> None:
    """A table with one column of each kind, made as a migration would make it."""
    fields: dict[str, Any] = {
        "rate": rate_field("rate"),
        "price": price_field("price"),
        "fee": ExactMoneyField("fee"),
    }
    definitions = []
    for name, field in fields.items():
        field.set_attributes_from_name(name)
        definitions.append(f"{name} {field.db_type(connection)} CHECK ({field.db_check(connection)})")
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE exactness ({', '.join(definitions)}, quantity atoms) ON COMMIT DROP"
        )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("rate", "0.60"),
        ("rate", "0.12345678"),
        ("rate", "9999999999.99999999"),
        ("price", "0.000000000000000001"),
        ("price", "99999999999999999999.999999999999999999"),
        ("fee", "-12345678901234567.89"),
        ("quantity", "99999999999999999999999999999999999999"),
    ],
)
def test_raw_sql_keeps_what_fits_digit_for_digit(columns: None, column: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO exactness ({column}) VALUES (%s::text::numeric) RETURNING {column}::text", [value]
        )
        assert cursor.fetchone() == (value,)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("rate", "0.123456789"),
        ("rate", "10000000000"),
        ("price", "0.0000000000000000001"),
        ("price", "1e20"),
        ("fee", "0.001"),
        ("fee", "1e18"),
        ("quantity", "0.5"),
        ("quantity", "1e38"),
        *((column, value) for column in ("rate", "price", "fee", "quantity")
          for value in ("NaN", "Infinity", "-Infinity", "1e400")),
    ],
)  # fmt: skip
def test_raw_sql_is_refused_what_does_not_fit_and_nothing_is_rounded(
    columns: None, column: str, value: str
) -> None:
    with connection.cursor() as cursor, pytest.raises(Error, match="check constraint"):
        cursor.execute(f"INSERT INTO exactness ({column}) VALUES (%s::text::numeric)", [value])


@pytest.mark.parametrize("value", ["0.123456789", "NaN", "Infinity", "-0", "1e2", 0.6, True, Decimal("-0.0")])
def test_the_field_says_so_before_the_database_does(value: object) -> None:
    with pytest.raises(ValidationError):
        rate.clean(value, None)
    with pytest.raises(ValidationError):
        rate.get_db_prep_save(value, connection)


def test_the_field_keeps_what_is_exact() -> None:
    assert rate.clean("0.60", None) == Decimal("0.60")
    assert rate.get_db_prep_value(Decimal("0.6"), connection) == Decimal("0.6")
    assert ExactDecimalField(max_digits=4, decimal_places=0).to_python("7") == 7


@pytest.mark.parametrize("value", ["1.5", "NaN", 0.5, True, Decimal("0.1")])
def test_atoms_are_whole(value: object) -> None:
    field = AtomsField()

    with pytest.raises(ValidationError):
        field.to_python(value)
    with pytest.raises(TypeError):
        field.get_prep_value(value)


def test_atoms_are_kept_as_integers_of_any_size() -> None:
    field = AtomsField()

    assert field.to_python("-12") == -12
    assert field.to_python(Decimal("1E+30")) == 10**30
    assert field.get_prep_value(10**37 + 1) == Decimal(10**37 + 1)
    assert field.from_db_value(Decimal(10**37 + 1), None, connection) == 10**37 + 1
