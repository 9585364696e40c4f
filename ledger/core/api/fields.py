"""Fields that take one spelling of a value and refuse every other one by the name of the broken rule.

Exact numbers travel as JSON strings: a JSON number has already been through binary floating point in most
clients before it reaches us.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from ledger.core.decimals import CENT, CONTEXT, decimal_places, plain

_PLAIN: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z", re.ASCII)
_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
_ISO_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})\Z",
    re.ASCII,
)
_LENGTH_MAX: Final = 80

DECIMAL_SCHEMA: Final = {"type": "string", "format": "decimal", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}


class StrictDecimalField(serializers.Field):
    """A decimal as a JSON string such as `"12.50"`: no exponent, no NaN, no surplus decimals, no `-0`.

    Nothing is rounded: a value that does not fit is refused with `not_a_string`, `not_plain`,
    `negative_zero`, `surplus_decimals`, `too_large`, `not_positive` or `below_minimum`.
    """

    default_error_messages = {
        "not_a_string": _('Give an exact number as a string in quotes, such as "12.50".'),
        "not_plain": _('This is not a plain decimal number such as "12.50".'),
        "negative_zero": _("Negative zero is not a number this ledger keeps."),
        "surplus_decimals": _("No more than {decimal_places} decimal places."),
        "too_large": _("No more than {whole_digits} digits before the decimal point."),
        "not_positive": _("This must be above zero."),
        "below_minimum": _("This must be at least {minimum}."),
    }

    def __init__(
        self,
        *,
        decimal_places: int,
        max_digits: int = 38,
        is_positive: bool = False,
        minimum: Decimal | None = None,
        **options: Any,
    ) -> None:
        self.decimal_places = decimal_places
        self.whole_digits = max_digits - decimal_places
        self.is_positive = is_positive
        self.minimum = minimum
        super().__init__(**options)

    @property
    def pattern(self) -> str:
        """The regular expression that the published schema gives for this field."""
        sign = "" if self.is_positive or (self.minimum is not None and self.minimum >= 0) else "-?"
        fraction = rf"(\.[0-9]{{1,{self.decimal_places}}})?" if self.decimal_places else ""
        return rf"^{sign}[0-9]{{1,{self.whole_digits}}}{fraction}$"

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, str):
            self.fail("not_a_string")
        if len(data) > _LENGTH_MAX or not _PLAIN.match(data):
            self.fail("not_plain")
        number = Decimal(data)
        if number.is_zero() and number.is_signed():
            self.fail("negative_zero")
        if decimal_places(number) > self.decimal_places:
            self.fail("surplus_decimals", decimal_places=self.decimal_places)
        if abs(number) >= Decimal(10) ** self.whole_digits:
            self.fail("too_large", whole_digits=self.whole_digits)
        if self.is_positive and number <= 0:
            self.fail("not_positive")
        if self.minimum is not None and number < self.minimum:
            self.fail("below_minimum", minimum=plain(self.minimum))
        return number

    def to_representation(self, value: Decimal) -> str:
        return plain(value)


class MoneyTextField(StrictDecimalField):
    """An amount to the cent, always shown with two decimals; a `Money` is shown without its currency."""

    def __init__(self, **options: Any) -> None:
        super().__init__(decimal_places=2, max_digits=20, **options)

    def to_representation(self, value: Any) -> str:
        amount: Decimal = getattr(value, "amount", value)
        return plain(amount.quantize(CENT, context=CONTEXT))


def money_field(**options: Any) -> MoneyTextField:
    """An amount to the cent."""
    options.setdefault("help_text", _("An amount with at most two decimals, as a string."))
    return MoneyTextField(**options)


def quantity_field(**options: Any) -> StrictDecimalField:
    """Units of an asset, exact at its scale; no asset has more than eighteen decimals."""
    options.setdefault("help_text", _("Units of the asset, as a string."))
    return StrictDecimalField(decimal_places=18, max_digits=38, **options)


def rate_field(**options: Any) -> StrictDecimalField:
    """A ratio as a fraction: `"0.60"` is sixty per cent."""
    options.setdefault("help_text", _('A fraction as a string: "0.60" is sixty per cent.'))
    return StrictDecimalField(decimal_places=8, max_digits=18, **options)


class StrictDateField(serializers.Field):
    """A date as `"2022-06-13"`; Python's parser also takes week dates and dates without hyphens."""

    default_error_messages = {"not_a_date": _("Give a date as YYYY-MM-DD.")}

    def to_internal_value(self, data: Any) -> date:
        if not isinstance(data, str) or not _ISO_DATE.match(data):
            self.fail("not_a_date")
        try:
            return date.fromisoformat(data)
        except ValueError:
            self.fail("not_a_date")

    def to_representation(self, value: date) -> str:
        return value.isoformat()


class StrictMomentField(serializers.Field):
    """A moment as `"2022-06-13T16:30:00+08:00"`, always with its offset: none is guessed."""

    default_error_messages = {"not_a_moment": _("Give a moment as YYYY-MM-DDThh:mm:ss+hh:mm.")}

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str) or not _ISO_MOMENT.match(data):
            self.fail("not_a_moment")
        try:
            return datetime.fromisoformat(data).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("not_a_moment")

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


class TextField(serializers.CharField):
    """Text as it was sent; numbers are not turned into text."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("trim_whitespace", False)
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field(DECIMAL_SCHEMA)
class NumberTextField(TextField):
    """A number as the caller wrote it, handed on unread to the service that judges it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=_LENGTH_MAX, **options)


class CommandSerializer(serializers.Serializer[Any]):
    """The body of a command; a field it does not know is refused, for it may be a misspelt one."""

    default_error_messages = {"unknown_field": _("There is no such field.")}

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, dict):
            unknown = sorted(data.keys() - self.fields.keys())
            if unknown:
                error = serializers.ErrorDetail(
                    str(self.error_messages["unknown_field"]), code="unknown_field"
                )
                raise serializers.ValidationError({name: [error] for name in unknown})
        return super().run_validation(data)


class EmptyCommandSerializer(CommandSerializer):
    """A command whose address says all there is to say."""


def accept(serializer_class: Callable[..., CommandSerializer], data: Any) -> dict[str, Any]:
    """Return the checked values of a command's body; raises ValidationError naming each field at fault."""
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
