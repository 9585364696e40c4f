"""The arithmetic of corporate actions: exact fractions in, whole atoms and what is left of them out.

No clock, no database, no Django. Quantities are integer atoms of an asset. A rate is how many atoms one atom
gives, as a :class:`~fractions.Fraction`; nothing is rounded but an entitlement, and that always down.

The law, whatever the rate: what was held times the rate is what was given plus what was left over, exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from ledger.core.decimals import CONTEXT, decimal_places, from_atoms

TERM_MAX: Final = 1_000_000
NOTHING: Final = Fraction(0)

_RATIO = re.compile(r"([1-9][0-9]{0,6}):([1-9][0-9]{0,6})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ratio:
    """`new` shares for `old`: 5:1 makes five of one, 1:10 makes one of ten, 1:20 as a bonus adds one to twenty.

    Raises ValueError unless both are whole numbers from 1 to a million.
    """

    new: int
    old: int

    def __post_init__(self) -> None:
        for term in (self.new, self.old):
            if type(term) is not int or not 1 <= term <= TERM_MAX:
                raise ValueError(f"{term!r} is no whole number from 1 to {TERM_MAX}")

    @classmethod
    def parse(cls, text: str) -> Ratio:
        """Read `new:old`.

        >>> Ratio.parse("5:1")
        Ratio(new=5, old=1)
        """
        found = _RATIO.match(text)
        if found is None:
            raise ValueError(f"{text!r} is no ratio such as 5:1")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.new}:{self.old}"

    def rate(self, *, scale: int = 0, to_scale: int = 0) -> Fraction:
        """How many atoms of an asset of `to_scale` decimals one atom of an asset of `scale` decimals gives."""
        return Fraction(self.new * 10**to_scale, self.old * 10**scale)


@dataclass(frozen=True, slots=True)
class Share:
    """What a rate gives: `whole` atoms, and `fraction` of an atom (below one) that cannot be delivered."""

    whole: int
    fraction: Fraction


def rate_of(amount: Decimal, *, scale: int, to_scale: int) -> Fraction:
    """How many atoms of money (`to_scale` decimals) one atom of an asset gives at `amount` per unit."""
    return Fraction(amount) * Fraction(10**to_scale, 10**scale)


def share(atoms: int, rate: Fraction) -> Share:
    """What `atoms` give at `rate`; raises ValueError where either is negative.

    >>> share(1200, Fraction(5))
    Share(whole=6000, fraction=Fraction(0, 1))
    >>> share(1234, Fraction(1, 10))
    Share(whole=123, fraction=Fraction(2, 5))
    """
    if atoms < 0 or rate < 0:
        raise ValueError(f"{atoms} atoms at {rate}: an entitlement is of what is held")
    whole, rest = divmod(atoms * rate.numerator, rate.denominator)
    return Share(whole, Fraction(rest, rate.denominator))


def spread(holdings: Sequence[int], rate: Fraction) -> list[Share]:
    """Share out what one holder's accounts give together, so that keeping shares apart costs the holder nothing.

    Each account is given the whole atoms that its holding adds to those before it: never less than on its own, and
    together what the sum would give. The one fraction that is left stands with the last account.

    >>> [given.whole for given in spread([15, 15], Fraction(1, 10))]
    [1, 2]
    """
    shares: list[Share] = []
    held = given = 0
    for holding in holdings:
        held += holding
        total = share(held, rate)
        shares.append(Share(total.whole - given, NOTHING))
        given = total.whole
    if shares:
        shares[-1] = Share(shares[-1].whole, share(held, rate).fraction)
    return shares


def surplus(pool: int, given: Iterable[int], rate: Fraction) -> Share:
    """What a custodian that rounds the whole `pool` gives beyond what the holders were `given`.

    `whole` may be negative where accounts stand on both sides; `fraction` is the custodian's own rounding.

    >>> surplus(29, [1, 0], Fraction(1, 10))
    Share(whole=1, fraction=Fraction(9, 10))
    """
    all_of_it = share(pool, rate)
    return Share(all_of_it.whole - sum(given), all_of_it.fraction)


def cash_for(fraction: Fraction, price: Decimal, *, scale: int, money_scale: int) -> int:
    """Atoms of money for a `fraction` of an atom (of `scale` decimals) at `price` per unit, rounded down.

    >>> cash_for(Fraction(2, 5), Decimal("10.49"), scale=0, money_scale=2)
    419
    """
    return share(1, fraction * rate_of(price, scale=scale, to_scale=money_scale)).whole


def adjusted_price(price: Decimal, ratio: Ratio, *, places: int) -> Decimal:
    """The price of what a split made: value stays, so what became `new` for `old` costs `old` for `new`.

    Rounded up at the last of `places`, where it does not end: a value must not fall by a split, not by one cent.

    >>> adjusted_price(Decimal("512.50"), Ratio(5, 1), places=18)
    Decimal('102.5')
    """
    scaled = Fraction(price) * Fraction(ratio.old, ratio.new) * 10**places
    atoms = -(-scaled.numerator // scaled.denominator)
    exact = from_atoms(atoms, places)
    return exact.quantize(Decimal(1).scaleb(-decimal_places(exact)), context=CONTEXT)
