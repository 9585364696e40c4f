"""One candidate as numbers: what a step brings, costs and takes from the margin value, before any rounding.

Integers in units of 1e-24 of the base currency: fast enough for a search, fine enough that even a position of
1e18 steps is off by less than a millionth. What is kept is never more cost, nor less cure, than the truth, so
a bound computed from it is a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from collateral.valuation import Holding
from ledger.core.decimals import CONTEXT, exact
from margin.sales.fees import RATE_UNIT, FeeSchedule

ONE: Final = Decimal(1)
SCALE: Final = 10**24
CENT: Final = SCALE // 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """A part of a holding that may be sold, in whole steps, at a limit price.

    `quantity` is what is sellable of the holding with this `code`, `step` the board lot or the venue's
    smallest quantity, `price` the limit in quote currency, `fx_rate` base per quote currency (bid). Several
    candidates may share a code, such as the board lots and the odd lot of one security. `sell_last` marks
    what the client asked to keep longest. A candidate that cannot be sold now says so with `is_tradable`
    and `reason`. Raises `ValueError` on a value out of range.
    """

    code: str
    quantity: Decimal
    step: Decimal
    price: Decimal
    fees: FeeSchedule
    fx_rate: Decimal = ONE
    sell_last: bool = False
    is_tradable: bool = True
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("quantity", "step", "price", "fx_rate"):
            number = exact(getattr(self, name))
            if number < 0 or (number == 0 and name != "quantity"):
                raise ValueError(f"{name} {number} of {self.code} is not positive")
            object.__setattr__(self, name, number)

    @property
    def steps_max(self) -> int:
        """How many whole steps the sellable quantity holds."""
        return int(CONTEXT.divide_int(self.quantity, self.step))

    @property
    def value_per_step(self) -> Decimal:
        """What one step brings at the limit price, before costs, in base currency and unrounded."""
        return CONTEXT.multiply(CONTEXT.multiply(self.step, self.price), self.fx_rate)


@dataclass(frozen=True, slots=True)
class Line:
    """A candidate's coefficients per step; `margin` is already times the target utilisation.

    `penalty` is what the search adds to the cost of a step that is to be sold last: all that it brings.
    """

    value: int
    margin: int
    commission: int
    commission_minimum: int
    settlement: int
    settlement_minimum: int
    settlement_maximum: int | None
    other: int
    per_trade: int
    penalty: int

    @property
    def has_settlement_bounds(self) -> bool:
        return self.settlement_minimum > 0 or self.settlement_maximum is not None

    @property
    def marginal_charges(self) -> int:
        """Charges of one more step, before minima and maxima."""
        return self.commission + self.settlement + self.other

    def charges(self, steps: int) -> int:
        """Return the charges of so many steps before rounding."""
        if steps == 0:
            return 0
        commission = self.commission * steps
        settlement = self.settlement_fee(steps) if self.has_settlement_bounds else self.settlement * steps
        if commission < self.commission_minimum:
            commission = self.commission_minimum
        return commission + settlement + self.other * steps + self.per_trade

    def commission_on(self, steps: int) -> int:
        return max(self.commission_minimum, self.commission * steps)

    def settlement_fee(self, steps: int) -> int:
        fee = max(self.settlement_minimum, self.settlement * steps)
        return fee if self.settlement_maximum is None else min(fee, self.settlement_maximum)


def line_of(candidate: Candidate, holding: Holding, target: Decimal) -> Line:
    """Return the coefficients of a candidate that is part of `holding`, for a target utilisation."""
    fees = candidate.fees
    top, bottom = candidate.value_per_step.as_integer_ratio()
    rates = fees.rate_atoms

    def charge(rate_atoms: int) -> int:
        return top * rate_atoms * SCALE // (bottom * RATE_UNIT)

    ratio = CONTEXT.multiply(
        CONTEXT.subtract(ONE, holding.top_haircut), CONTEXT.subtract(ONE, holding.fx_haircut)
    )
    return Line(
        value=-(-top * SCALE // bottom),
        margin=_floor(candidate.step, holding.price, holding.fx_rate, ratio, target),
        commission=charge(rates.commission),
        commission_minimum=_floor(fees.commission_minimum),
        settlement=charge(rates.settlement),
        settlement_minimum=_floor(fees.settlement_fee_minimum),
        settlement_maximum=None
        if fees.settlement_fee_maximum is None
        else _floor(fees.settlement_fee_maximum),
        other=charge(rates.other),
        per_trade=_floor(fees.trading_tariff),
        penalty=top * SCALE // bottom if candidate.sell_last else 0,
    )


def _floor(*factors: Decimal) -> int:
    """Return the product of exact numbers in our unit, rounded down once."""
    top, bottom = SCALE, 1
    for factor in factors:
        a, b = factor.as_integer_ratio()
        top *= a
        bottom *= b
    return top // bottom
