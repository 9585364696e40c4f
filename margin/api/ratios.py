"""Ratios as they are shown."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from ledger.core.api.fields import StrictDecimalField

UTILISATION_HELP = _("Loan over effective limit; null where there is a loan and nothing to lend against.")


def ratio_field(**options: Any) -> StrictDecimalField:
    """A ratio that may be infinite, which is shown as null."""
    return StrictDecimalField(decimal_places=8, max_digits=18, allow_null=True, **options)
