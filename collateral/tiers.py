"""The tiers of a haircut: marginal slices of market value, as doors take them in and as they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from django.utils.translation import gettext as _

from ledger.core.decimals import plain
from ledger.core.errors import Invalid
from ledger.models import Asset

from .checks import exact_for, read_fraction
from .models import HaircutTier, LendingHaircut
from .models.haircut import VIRTUAL_ASSET_HAIRCUT_FLOOR
from .valuation import Tier

FIELD = "tiers"
TIERS_MAX = 20


class TierTerms(NamedTuple):
    """Beyond `above` dollars of market value the haircut is `haircut`."""

    above: Decimal
    haircut: Decimal


def read_tiers(text: str) -> list[dict[str, str]]:
    """Read `2000000:0.70; 5000000:1`, each bound with its haircut; Invalid (`NOT_TIERS`) if it is not that.

    >>> read_tiers("2000000:0.70; 5000000:1")
    [{'above': '2000000', 'haircut': '0.70'}, {'above': '5000000', 'haircut': '1'}]
    """
    pairs = [part.split(":") for part in text.replace("\n", ";").split(";") if part.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise Invalid(
            _("%(text)s is no list of tiers; write 2000000:0.70; 5000000:1.") % {"text": text},
            field=FIELD,
            code="NOT_TIERS",
        )
    return [{"above": above.strip(), "haircut": haircut.strip()} for above, haircut in pairs]


def show_tiers(haircut: LendingHaircut) -> str:
    """Write the tiers of a haircut as :func:`read_tiers` reads them."""
    return "; ".join(f"{plain(tier.above)}:{plain(tier.haircut)}" for tier in haircut.tiers.all())


def check_tiers(
    asset: Asset, haircut: Decimal, tiers: Iterable[Mapping[str, object]]
) -> tuple[TierTerms, ...]:
    """Return tiers as exact numbers in the order of their bounds, or raise Invalid on the field `tiers`.

    `haircut` is that of the slice below the first tier. Codes in the order of the SQL law: `OUT_OF_RANGE`,
    `BELOW_FLOOR` (a slice of a virtual asset under 0.60, 26EC5), `INEXACT`, `TIERS_OUT_OF_ORDER` (a bound that
    is not above zero or said twice, a higher slice with a lower haircut), `TOO_MANY_TIERS`.
    """
    terms = []
    for tier in tiers:
        number = read_fraction(tier["haircut"], field=FIELD)
        if asset.kind == Asset.Kind.VIRTUAL_ASSET and number < VIRTUAL_ASSET_HAIRCUT_FLOOR:
            raise Invalid(
                _("The haircut of %(asset)s is at least %(floor)s, not %(haircut)s.")
                % {"asset": asset.code, "floor": VIRTUAL_ASSET_HAIRCUT_FLOOR, "haircut": number},
                field=FIELD,
                code="BELOW_FLOOR",
            )
        terms.append(TierTerms(_exact("above", tier["above"]), _exact("haircut", tier["haircut"])))
    if len(terms) > TIERS_MAX:
        raise Invalid(
            _("A haircut has at most %(most)s tiers.") % {"most": TIERS_MAX},
            field=FIELD,
            code="TOO_MANY_TIERS",
        )
    below = TierTerms(Decimal(0), haircut)
    for term in sorted(terms):
        if term.above <= below.above or term.haircut < below.haircut:
            raise Invalid(
                _("Each tier begins above the one before and takes no lower haircut."),
                field=FIELD,
                code="TIERS_OUT_OF_ORDER",
            )
        below = term
    return tuple(sorted(terms))


def kept_tiers(haircut: LendingHaircut) -> tuple[TierTerms, ...]:
    """Return the terms of the tiers a haircut was proposed with."""
    return tuple(TierTerms(tier.above, tier.haircut) for tier in haircut.tiers.all())


def kernel_tiers(haircut: LendingHaircut) -> tuple[Tier, ...]:
    """Return the tiers of a haircut as the valuation kernel takes them, each named by its row."""
    if not haircut.tier_count:
        return ()
    return tuple(Tier(tier.above, tier.haircut, tier.pk) for tier in haircut.tiers.all())


def _exact(column: str, value: object) -> Decimal:
    try:
        return exact_for(HaircutTier, column, value)
    except Invalid as error:
        raise Invalid(error.message, field=FIELD, code=error.reason) from error
