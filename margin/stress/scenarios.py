"""A scenario: one factor for each price and one for each exchange rate.

A price is taken times the factor of its asset if one is named, else of its class, else of everything; a rate times
the factor of its currency. Bid and ask move alike, and so do assets and debts in that currency. A shocked price is
never rounded: the kernel rounds market and margin value, as always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from ledger.core.decimals import exact

ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Factors on prices by asset code, by class (`ledger.models.Asset.Kind`) and of everything else; on rates by currency.

    A factor of 0.8 is a fall of 20%, of 0 a price of nothing. Money is moved by `currencies` alone. Raises
    `ValueError` on a factor below zero, and on an exchange rate of zero.

    >>> gap = Scenario("gap", classes={"virtual_asset": Decimal("0.5")}, assets={"ETH": Decimal("0.4")})
    >>> [str(gap.price_factor(code, kind)) for code, kind in
    ...  (("BTC", "virtual_asset"), ("ETH", "virtual_asset"), ("00005", "security"), ("USD", "fiat"))]
    ['0.5', '0.4', '1', '1']
    """

    code: str
    assets: Mapping[str, Decimal] = field(default_factory=dict)
    classes: Mapping[str, Decimal] = field(default_factory=dict)
    currencies: Mapping[str, Decimal] = field(default_factory=dict)
    everything: Decimal = ONE

    def __post_init__(self) -> None:
        for factor in (*self.assets.values(), *self.classes.values(), self.everything):
            if exact(factor) < 0:
                raise ValueError(f"factor {factor} of {self.code} is below zero")
        for currency, factor in self.currencies.items():
            if exact(factor) <= 0:
                raise ValueError(f"factor {factor} of {currency} in {self.code} leaves no exchange rate")

    def price_factor(self, code: str, kind: str) -> Decimal:
        """What a price of this asset is multiplied by."""
        if kind == "fiat":
            return ONE
        return self.assets.get(code, self.classes.get(kind, self.everything))

    def rate_factor(self, currency: str) -> Decimal:
        """What the rate from this currency to the base currency is multiplied by."""
        return self.currencies.get(currency, ONE)


AT_REST: Final = Scenario("at_rest")
