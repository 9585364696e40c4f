"""One door for the room's figures and times: what the database would refuse is refused here in words."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db.models import Model
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.decimals import InexactValue, decimal_places, exact
from ledger.core.errors import Invalid

SOURCE_LENGTH_MAX: Final = 40
# What the agreed price of several sources is recorded under; nobody else may speak in its name.
MEDIAN: Final = "median"
_NO_NUMBERS: Final = frozenset({"nan", "snan", "inf", "infinity"})


def exact_for(model: type[Model], field: str, value: object) -> Decimal:
    """Return `value` as an exact Decimal that fits the column; Invalid (`INEXACT`) where it does not.

    Takes int, Decimal and plain decimal text; a float, NaN, an infinity, negative zero and surplus decimals
    are refused.
    """
    column = model._meta.get_field(field)
    places: int = column.decimal_places  # type: ignore[union-attr]
    digits: int = column.max_digits  # type: ignore[union-attr]
    try:
        number = exact(value)
    except InexactValue as error:
        raise Invalid(str(error), field=field, code="INEXACT") from error
    if decimal_places(number) > places:
        raise Invalid(
            _("%(value)s has more than %(places)s decimal places.") % {"value": value, "places": places},
            field=field,
            code="INEXACT",
        )
    if abs(number) >= Decimal(10) ** (digits - places):
        raise Invalid(
            _("%(value)s is too large for this field.") % {"value": value}, field=field, code="INEXACT"
        )
    return number


def check_observed_at(observed_at: datetime) -> datetime:
    """Return when something was observed; Invalid (`NO_TIME_ZONE`, `FROM_THE_FUTURE`) where it cannot be."""
    if observed_at.tzinfo is None:
        raise Invalid(_("The time needs a zone."), field="observed_at", code="NO_TIME_ZONE")
    if observed_at > clock.now():
        raise Invalid(
            _("%(at)s lies in the future.") % {"at": observed_at.isoformat()},
            field="observed_at",
            code="FROM_THE_FUTURE",
        )
    return observed_at


def check_source(source: str) -> str:
    """Return the name of a source; Invalid (`INVALID_SOURCE`) where it is empty, too long to keep or the median's."""
    if source == MEDIAN:
        raise Invalid(
            _("%(source)s is the name of the price that several sources agree on.") % {"source": source},
            field="source",
            code="INVALID_SOURCE",
        )
    if not 0 < len(source) <= SOURCE_LENGTH_MAX:
        raise Invalid(
            _("A source has a name of at most %(most)s characters.") % {"most": SOURCE_LENGTH_MAX},
            field="source",
            code="INVALID_SOURCE",
        )
    return source


def read_fraction(haircut: object, *, field: str = "haircut") -> Decimal:
    """Read a number that may have surplus decimals, so that range and floor are judged before its form.

    Raises Invalid: `OUT_OF_RANGE` (not from 0 to 1, NaN among them), `INEXACT` for what is no number.
    """
    number = _number(haircut, field)
    if not number.is_finite() or not 0 <= number <= 1:
        raise Invalid(
            _("A haircut is a fraction from 0 to 1, not %(haircut)s.") % {"haircut": haircut},
            field=field,
            code="OUT_OF_RANGE",
        )
    return number


def _number(haircut: object, field: str) -> Decimal:
    if isinstance(haircut, str) and haircut.strip().lstrip("+-").lower() in _NO_NUMBERS:
        return Decimal(haircut.strip())
    if isinstance(haircut, Decimal) and not haircut.is_finite():
        return haircut
    try:
        return exact(haircut)
    except InexactValue as error:
        raise Invalid(str(error), field=field, code="INEXACT") from error
