"""The terms of collateral at a moment: what else than price, rate and haircut decides how much of it counts.

They are read once for a market, put on a holding by :func:`under_terms`, for a live valuation and for its replay
alike, and kept as a term sheet that the valuation names. What is decided or corrected later makes another sheet.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from django.db import transaction

from ledger.core import clock
from ledger.models import Asset

from .eligibility import eligibilities_on, is_eligible
from .models import TermSheet, TermSheetLine
from .valuation import Holding

NO_MARGIN: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class AssetTerms:
    """The terms of one asset, with the ids of the rows they came from."""

    is_eligible: bool = True
    eligibility: int | None = None

    @property
    def ref(self) -> str | None:
        """Name the rows for the explanation, as `eligibility 12`."""
        return None if self.eligibility is None else f"eligibility {self.eligibility}"


PLAIN: Final = AssetTerms()


def under_terms(holding: Holding, terms: AssetTerms) -> Holding:
    """Put the terms of its asset on a holding: what is not eligible counts for nothing and has no haircut row."""
    if terms is PLAIN:
        return holding
    if not terms.is_eligible:
        return replace(holding, haircut=NO_MARGIN, haircut_ref=None, tiers=(), terms_ref=terms.ref)
    return replace(holding, terms_ref=terms.ref)


@dataclass(frozen=True)
class Terms:
    """The terms of a market by asset code; an asset that is not named has plain ones."""

    by_code: Mapping[str, AssetTerms] = field(default_factory=dict)
    assets: Mapping[str, Asset] = field(default_factory=dict)

    def of(self, code: str) -> AssetTerms:
        return self.by_code.get(code, PLAIN)

    @cached_property
    def sheet_id(self) -> int | None:
        """The id of the sheet that says this, kept on first use; None where all is plain.

        The sheet is written in the transaction of whoever asks first, so terms are not carried beyond it.
        """
        return keep_sheet({self.assets[code].pk: terms for code, terms in self.by_code.items()})


def terms_on(on: date, assets: Iterable[Asset], *, entity_type: str, product: str) -> Terms:
    """Return the terms in force on a day for the assets of a market; money is never a matter of terms."""
    named = {asset.code: asset for asset in assets if asset.kind != Asset.Kind.FIAT}
    decided = eligibilities_on(
        on, entity_type=entity_type, product=product, assets=[asset.pk for asset in named.values()]
    )
    found = {}
    for code, asset in sorted(named.items()):
        row = decided.get(asset.pk)
        terms = AssetTerms(
            is_eligible=is_eligible(asset, row, entity_type=entity_type, product=product),
            eligibility=None if row is None else row.pk,
        )
        if terms != PLAIN:
            found[code] = terms
    return Terms(found, named)


def keep_sheet(by_asset: Mapping[int, AssetTerms]) -> int | None:
    """Keep terms by asset id as a sheet and return its id; the same terms are kept once."""
    if not by_asset:
        return None
    lines = {asset: _columns(terms) for asset, terms in sorted(by_asset.items())}
    digest = sha256(json.dumps(list(lines.items()), sort_keys=True).encode()).hexdigest()
    known = TermSheet.objects.filter(digest=digest).values_list("pk", flat=True).first()
    if known is not None:
        return known
    with transaction.atomic():
        sheet, is_new = TermSheet.objects.get_or_create(digest=digest, defaults={"kept_at": clock.now()})
        if is_new:
            TermSheetLine.objects.bulk_create(
                TermSheetLine(sheet=sheet, asset_id=asset, **columns) for asset, columns in lines.items()
            )
    return sheet.pk


def kept_terms(line: TermSheetLine) -> AssetTerms:
    """Return the terms that a line of a sheet keeps."""
    return AssetTerms(is_eligible=line.is_eligible, eligibility=line.eligibility_id)


def _columns(terms: AssetTerms) -> dict[str, Any]:
    return {"is_eligible": terms.is_eligible, "eligibility_id": terms.eligibility}
