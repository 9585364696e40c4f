"""What the charges of a sale are called; their codes are those of `margin.sales.fees`."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

CHARGES: Final[dict[str, Any]] = {
    "commission": _("Commission"),
    "stamp_duty": _("Stamp duty"),
    "sfc_levy": _("SFC transaction levy"),
    "afrc_levy": _("AFRC transaction levy"),
    "trading_fee": _("Trading fee"),
    "settlement_fee": _("Settlement fee"),
    "venue_fee": _("Venue fee"),
}
