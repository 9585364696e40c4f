"""What it costs to sell: dated charge schedules, each charge rounded by its own rule.

Rounding (`reference/regulation.md` 8.6): commission, levies and fees half up to the cent, each on its own;
stamp duty up to the next whole dollar. The arithmetic runs in integer cents, so the sale planner may ask for
thousands of quotations and still get the figures that the contract note shows.

Sources of the exchange's charges: the reference gives the rates of June 2025, the end of the settlement
fee's minimum and maximum on 30 June 2025, and the rounding. From general knowledge, to be verified in the
originals before go-live: stamp duty of 0.13% from 1 August 2021 to 16 November 2023 and 0.1% on either
side, the start of the AFRC levy on 1 January 2022, the trading fee of 0.005% with a tariff of HKD 0.50 a
trade until the end of 2022, the SFC levy's start on 1 November 2014, and the settlement fee of 0.002%
between HKD 2 and HKD 100 before that June. Commission is the broker's own and is never assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from ledger.core.decimals import CONTEXT, ZERO, from_atoms, to_atoms

RATE_PLACES: Final = 10
RATE_UNIT: Final = 10**RATE_PLACES
_CENTS_PER_DOLLAR: Final = 100

_RATES: Final = (
    "commission_rate",
    "stamp_rate",
    "sfc_levy_rate",
    "afrc_levy_rate",
    "trading_fee_rate",
    "settlement_fee_rate",
    "venue_fee_rate",
)
_AMOUNTS: Final = (
    "commission_minimum",
    "settlement_fee_minimum",
    "settlement_fee_maximum",
    "trading_tariff",
)


@dataclass(frozen=True, slots=True)
class Fees:
    """The charges of one sale, each rounded by its rule; `net` is what the seller receives."""

    gross: Decimal
    commission: Decimal
    stamp_duty: Decimal
    sfc_levy: Decimal
    afrc_levy: Decimal
    trading_fee: Decimal
    settlement_fee: Decimal
    venue_fee: Decimal
    total: Decimal
    net: Decimal


class RateAtoms(NamedTuple):
    """The rates of a schedule in 1e-10: commission and settlement fee have bounds, the others have none."""

    commission: int
    settlement: int
    other: int


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Selling charges of one venue and broker on one date.

    Rates are fractions of the gross amount (0.0025 for 0.25%) of at most ten decimals; amounts are in base
    currency. `settlement_fee_maximum` None means no maximum. `trading_fee` of a sale includes the tariff a
    trade. Raises `ValueError` on a rate outside 0 to 1 or a negative amount.

    `marginal_rate` is what one more dollar sold costs, before minima, maxima and rounding: the `c` of the sale
    formulas.
    """

    commission_rate: Decimal = ZERO
    commission_minimum: Decimal = ZERO
    stamp_rate: Decimal = ZERO
    sfc_levy_rate: Decimal = ZERO
    afrc_levy_rate: Decimal = ZERO
    trading_fee_rate: Decimal = ZERO
    trading_tariff: Decimal = ZERO
    settlement_fee_rate: Decimal = ZERO
    settlement_fee_minimum: Decimal = ZERO
    settlement_fee_maximum: Decimal | None = None
    venue_fee_rate: Decimal = ZERO
    marginal_rate: Decimal = field(init=False, repr=False, compare=False)
    rate_atoms: RateAtoms = field(init=False, repr=False, compare=False)
    _atoms: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        atoms = {name: to_atoms(getattr(self, name), RATE_PLACES) for name in _RATES}
        for name in _AMOUNTS:
            if getattr(self, name) is not None:
                atoms[name] = to_atoms(getattr(self, name), 2)
        for name, value in atoms.items():
            if value < 0 or (name in _RATES and value > RATE_UNIT):
                raise ValueError(f"{name} {getattr(self, name)} is out of range")
        total = sum(atoms[name] for name in _RATES)
        bounded = atoms["commission_rate"], atoms["settlement_fee_rate"]
        object.__setattr__(self, "_atoms", atoms)
        object.__setattr__(self, "rate_atoms", RateAtoms(*bounded, total - sum(bounded)))
        object.__setattr__(self, "marginal_rate", _trimmed(from_atoms(total, RATE_PLACES)))

    def fees(self, gross: Decimal) -> Fees:
        """Return the charges on a sale of `gross` (base currency, exact to the cent).

        >>> charges = SEHK_JUNE_2025.fees(Decimal("196800.00"))
        >>> charges.stamp_duty, charges.total, charges.net
        (Decimal('197.00'), Decimal('714.00'), Decimal('196086.00'))
        """
        gross_cents = to_atoms(gross, 2)
        parts = self.cents(gross_cents)
        total_cents = sum(parts)
        amounts = (gross_cents, *parts, total_cents, gross_cents - total_cents)
        return Fees(*(from_atoms(amount, 2) for amount in amounts))

    def cents(self, gross_cents: int) -> tuple[int, int, int, int, int, int, int]:
        """Return the same charges as integer cents, in the order in which `Fees` names them."""
        if gross_cents < 0:
            raise ValueError(f"gross of {gross_cents} cents is negative")
        if gross_cents == 0:
            return (0, 0, 0, 0, 0, 0, 0)
        atoms = self._atoms
        settlement = max(_half_up(gross_cents, atoms["settlement_fee_rate"]), atoms["settlement_fee_minimum"])
        return (
            max(_half_up(gross_cents, atoms["commission_rate"]), atoms["commission_minimum"]),
            _up_to_the_dollar(gross_cents, atoms["stamp_rate"]),
            _half_up(gross_cents, atoms["sfc_levy_rate"]),
            _half_up(gross_cents, atoms["afrc_levy_rate"]),
            _half_up(gross_cents, atoms["trading_fee_rate"]) + atoms["trading_tariff"],
            min(settlement, atoms.get("settlement_fee_maximum", settlement)),
            _half_up(gross_cents, atoms["venue_fee_rate"]),
        )


def sehk_charges_on(on: date, commission_rate: Decimal, commission_minimum: Decimal) -> FeeSchedule:
    """Return the exchange's charges in force on a trade date, with the broker's own commission.

    Raises `ValueError` for dates before 1 November 2014, for which no charges are recorded here.

    >>> sehk_charges_on(date(2022, 6, 15), Decimal("0.0025"), Decimal("100.00")).stamp_rate
    Decimal('0.0013')
    """
    if on < SFC_LEVY_FROM:
        raise ValueError(f"no exchange charges are recorded for {on}")
    is_stamp_high = STAMP_RAISED_FROM <= on < STAMP_LOWERED_FROM
    has_tariff = on < TARIFF_ENDED_FROM
    has_settlement_bounds = on < SETTLEMENT_UNBOUNDED_FROM
    return FeeSchedule(
        commission_rate=commission_rate,
        commission_minimum=commission_minimum,
        stamp_rate=Decimal("0.0013") if is_stamp_high else Decimal("0.001"),
        sfc_levy_rate=Decimal("0.000027"),
        afrc_levy_rate=Decimal("0.0000015") if on >= AFRC_LEVY_FROM else ZERO,
        trading_fee_rate=Decimal("0.00005") if has_tariff else Decimal("0.0000565"),
        trading_tariff=Decimal("0.50") if has_tariff else ZERO,
        settlement_fee_rate=Decimal("0.00002") if has_settlement_bounds else Decimal("0.000042"),
        settlement_fee_minimum=Decimal("2.00") if has_settlement_bounds else ZERO,
        settlement_fee_maximum=Decimal("100.00") if has_settlement_bounds else None,
    )


def _trimmed(rate: Decimal) -> Decimal:
    """Drop the zeros at the end, so that rates read as they were given."""
    return CONTEXT.add(rate.normalize(CONTEXT), ZERO) if rate else ZERO


def _half_up(cents: int, rate_atoms: int) -> int:
    return (2 * cents * rate_atoms + RATE_UNIT) // (2 * RATE_UNIT)


def _up_to_the_dollar(cents: int, rate_atoms: int) -> int:
    return -(-cents * rate_atoms // (RATE_UNIT * _CENTS_PER_DOLLAR)) * _CENTS_PER_DOLLAR


SFC_LEVY_FROM: Final = date(2014, 11, 1)
STAMP_RAISED_FROM: Final = date(2021, 8, 1)
AFRC_LEVY_FROM: Final = date(2022, 1, 1)
TARIFF_ENDED_FROM: Final = date(2023, 1, 1)
STAMP_LOWERED_FROM: Final = date(2023, 11, 17)
SETTLEMENT_UNBOUNDED_FROM: Final = date(2025, 6, 30)

SEHK_JUNE_2025: Final = sehk_charges_on(
    SETTLEMENT_UNBOUNDED_FROM, commission_rate=Decimal("0.0025"), commission_minimum=Decimal("100.00")
)
"""Example: the exchange's charges since 30 June 2025, with the commission of V04: 0.25%, at least HKD 100."""

VATP_EXAMPLE: Final = FeeSchedule(venue_fee_rate=Decimal("0.002"))
"""Example: a virtual asset platform that charges 0.2% of the proceeds (`reference/regulation.md` 15)."""
