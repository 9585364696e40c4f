"""Model fields that refuse what is not exact, in Python and in PostgreSQL.

`numeric(p, s)` rounds surplus digits without a word, so exact columns are plain `numeric` with a check.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from djmoney.models.fields import MoneyField

from .decimals import InexactValue, decimal_places, exact

# Constant labels: py-moneyed's own come from Babel and would change migrations at its whim.
MONEY_CHOICES = [("HKD", "HKD"), ("USD", "USD"), ("CNY", "CNY")]


def exact_check(field: models.DecimalField[Any, Any], connection: Any) -> str:
    """SQL that holds for exact numbers within the field's size; NaN and infinities fail the comparison."""
    column = connection.ops.quote_name(field.column)
    whole_digits = (field.max_digits or 0) - (field.decimal_places or 0)
    return f"abs({column}) < 1e{whole_digits} AND min_scale({column}) <= {field.decimal_places}"


class AtomsField(models.Field):
    """A quantity in integer atoms of its asset, stored in the PostgreSQL domain `atoms`.

    The domain refuses fractions, NaN, infinities and anything of 10^38 or more. A `domain` over it refuses more: unlike a
    check of the table, which every statement that writes reads anew from its text, it costs nothing to begin with.
    """

    description = _("Quantity in atoms")

    def __init__(self, *args: Any, domain: str = "atoms", **options: Any) -> None:
        self.domain = domain
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, args, options | ({"domain": self.domain} if self.domain != "atoms" else {})

    def db_type(self, connection: Any) -> str:
        return self.domain

    def from_db_value(self, value: Decimal | None, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> int | None:
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        try:
            number = exact(value)
        except InexactValue as error:
            raise ValidationError(str(error), code="inexact") from error
        if number != number.to_integral_value():
            raise ValidationError(_("%(value)s is not a whole number of atoms"), params={"value": value})
        return int(number)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if value is None or hasattr(value, "resolve_expression"):
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"atoms are whole integers, not {value!r}")
        return Decimal(value)


class ExactDecimalField(models.DecimalField):
    """A decimal that is refused, never rounded, when it has surplus digits.

    Stored as plain `numeric` under a check of scale and size, because `numeric(p, s)` rounds silently.
    """

    def db_type(self, connection: Any) -> str:
        return "numeric"

    def db_check(self, connection: Any) -> str:
        return exact_check(self, connection)

    def to_python(self, value: Any) -> Decimal | None:
        if value is None:
            return None
        try:
            number = exact(value)
        except InexactValue as error:
            raise ValidationError(str(error), code="inexact") from error
        if decimal_places(number) > (self.decimal_places or 0):
            raise ValidationError(
                _("%(value)s has more than %(places)s decimal places"),
                code="surplus_decimals",
                params={"value": value, "places": self.decimal_places},
            )
        return number

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if hasattr(value, "as_sql"):
            return value
        return self.to_python(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is None or hasattr(value, "as_sql"):
            return value
        return self.to_python(value)


def rate_field(verbose_name: Any, **options: Any) -> ExactDecimalField:
    """A ratio or rate as a fraction with up to eight decimals (0.60 is sixty per cent)."""
    return ExactDecimalField(verbose_name, max_digits=18, decimal_places=8, **options)


def price_field(verbose_name: Any, **options: Any) -> ExactDecimalField:
    """A price or exchange rate with up to eighteen decimals."""
    return ExactDecimalField(verbose_name, max_digits=38, decimal_places=18, **options)


class ExactMoneyField(MoneyField):
    """An amount of money to the cent; surplus decimals are refused by the database, not rounded."""

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        options.setdefault("max_digits", 20)
        options.setdefault("decimal_places", 2)
        options.setdefault("default_currency", "HKD")
        options.setdefault("currency_choices", MONEY_CHOICES)
        super().__init__(verbose_name, **options)

    def db_type(self, connection: Any) -> str:
        return "numeric"

    def db_check(self, connection: Any) -> str:
        return exact_check(self, connection)
