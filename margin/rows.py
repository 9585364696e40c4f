"""What a row's own rules would refuse, said before the database does."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from ledger.core.errors import Invalid


def check_row(row: models.Model, *, exclude: set[str] | None = None, prefix: str = "") -> None:
    """Raise :class:`Invalid` with the field at fault, named after `prefix`, for the first rule the row breaks."""
    try:
        row.full_clean(exclude=exclude)
    except ValidationError as error:
        field, problems = next(iter(error.error_dict.items()))
        where = "" if field == "__all__" else f"{prefix}{field}"
        code = problems[0].code or "invalid"
        raise Invalid(
            str(problems[0].messages[0]) or _("This value is not allowed."), field=where, code=code
        ) from error
