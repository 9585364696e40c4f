"""One candidate as numbers: what a step brings, costs and takes from the margin value, before any rounding.

Integers in units of 1e-24 of the base currency: fast enough for a search, fine enough that even a position of
1e18 steps is off by less than a millionth. What is kept is never more cost, nor less cure, than the truth, so
a bound computed from it is a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from collateral.valuation import Holding, slices_of
from ledger.core.decimals import CONTEXT, ZERO, exact, to_atoms
from margin.sales.fees import RATE_PLACES, RATE_UNIT, FeeSchedule
from margin.sales.impact import Impact, impact_of

ONE: Final = Decimal(1)
SCALE: Final = 10**24
CENT: Final = SCALE // 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """A part of a holding that may be sold, in whole steps, at a limit price.

    `quantity` is what is sellable of the holding with this `code`, `step` the board lot or the venue's
    smallest quantity, `price` the limit in quote currency, `fx_rate` base per quote currency (bid). Several
    candidates may share a code, such as the board lots and the odd lot of one security. `sell_last` marks
    what the client asked to keep longest. `quantity_max` is what its market takes at this time at most, see
    :func:`participation`; `interest_rate` is what the loan goes on costing until the sale settles, as a fraction
    of the proceeds of at most ten decimals (8% p.a. for two days: 0.0004383562); `impact` is what the sale moves
    its own price by. A candidate that cannot be sold now says so with `is_tradable`
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
    quantity_max: Decimal | None = None
    interest_rate: Decimal = ZERO
    impact: Impact | None = None

    def __post_init__(self) -> None:
        if not 0 <= to_atoms(self.interest_rate, RATE_PLACES) < RATE_UNIT:
            raise ValueError(f"interest_rate {self.interest_rate} of {self.code} is out of range")
        if self.quantity_max is not None and exact(self.quantity_max) < 0:
            raise ValueError(f"quantity_max {self.quantity_max} of {self.code} is negative")
        for name in ("quantity", "step", "price", "fx_rate"):
            number = exact(getattr(self, name))
            if number < 0 or (number == 0 and name != "quantity"):
                raise ValueError(f"{name} {number} of {self.code} is not positive")
            object.__setattr__(self, name, number)

    @property
    def steps_max(self) -> int:
        """How many whole steps may be sold: of what is sellable, and no more than the market takes."""
        quantity = self.quantity if self.quantity_max is None else min(self.quantity, self.quantity_max)
        return int(CONTEXT.divide_int(quantity, self.step))

    @property
    def is_capped_by_market(self) -> bool:
        return self.quantity_max is not None and self.quantity_max < self.quantity

    @property
    def cost_rate(self) -> Decimal:
        """The `c` of the sale formulas: charges and interest on one more dollar sold, impact aside."""
        return CONTEXT.add(self.fees.marginal_rate, self.interest_rate)

    @property
    def value_per_step(self) -> Decimal:
        """What one step brings at the limit price, before costs, in base currency and unrounded."""
        return CONTEXT.multiply(CONTEXT.multiply(self.step, self.price), self.fx_rate)

    def expected_costs(self, gross_cents: int) -> tuple[int, int]:
        """Return (interest until settlement half up, impact rounded up) of a sale, in cents."""
        atoms = to_atoms(self.interest_rate, RATE_PLACES)
        interest = (2 * gross_cents * atoms + RATE_UNIT) // (2 * RATE_UNIT)
        return interest, 0 if self.impact is None else self.impact.cents(gross_cents)


def participation(daily_quantity: Decimal, rate: Decimal, days: Decimal, step: Decimal) -> Decimal:
    """Return how much of an asset may be sold within `days` at `rate` of its average day, in whole steps.

    Raises `ValueError` unless the rate is between 0 and 1 and the rest is not negative (2.9.5; 10% is a start).

    >>> participation(Decimal(250000), Decimal("0.10"), Decimal(1), Decimal(400))
    Decimal('24800')
    """
    if not 0 <= exact(rate) <= 1 or exact(daily_quantity) < 0 or exact(days) < 0:
        raise ValueError(f"a participation of {rate} over {days} days in {daily_quantity} is out of range")
    quantity = CONTEXT.multiply(CONTEXT.multiply(daily_quantity, rate), days)
    return CONTEXT.multiply(CONTEXT.divide_int(quantity, step), step)


Knot = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """A candidate's coefficients per step; `margin` is already times the target utilisation.

    `margin` is what the first step takes. Where a haircut has tiers the dearest slice goes first and later steps
    take more: `knots` are (from this step on, margin taken before it, margin a step), and empty without tiers.
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
    impact_squared: int = 0
    knots: tuple[Knot, ...] = ()

    @property
    def has_settlement_bounds(self) -> bool:
        return self.settlement_minimum > 0 or self.settlement_maximum is not None

    @property
    def marginal_charges(self) -> int:
        """Charges of one more step, before minima, maxima and impact."""
        return self.commission + self.settlement + self.other

    def margin_taken(self, steps: int) -> int:
        """Return what so many steps take from the margin value, times the target."""
        for start, before, each in reversed(self.knots):
            if steps >= start:
                return before + each * (steps - start)
        return self.margin * steps

    def margin_pieces(self, low: int, high: int) -> list[tuple[int, int]]:
        """Return (margin a step, number of steps) from low to high, more towards the end."""
        if not self.knots:
            return [(self.margin, high - low)]
        ends = [*(start for start, _, _ in self.knots[1:]), high]
        pieces = []
        for (start, _, each), end in zip(self.knots, ends, strict=True):
            length = min(end, high) - max(start, low)
            if length > 0:
                pieces.append((each, length))
        return pieces

    def charges(self, steps: int) -> int:
        """Return the charges of so many steps, with interest and impact, before rounding."""
        if self.impact_squared:
            return self.linear_charges(steps) + impact_of(self.impact_squared, steps)
        return self.linear_charges(steps)

    def linear_charges(self, steps: int) -> int:
        """Return the same without the impact."""
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

    knots = _knots(candidate, holding, target) if _is_bent(holding) else ()
    ratio = CONTEXT.multiply(
        CONTEXT.subtract(ONE, holding.haircut), CONTEXT.subtract(ONE, holding.fx_haircut)
    )
    return Line(
        value=-(-top * SCALE // bottom),
        margin=knots[0][2]
        if knots
        else _floor(candidate.step, holding.price, holding.fx_rate, ratio, target),
        commission=charge(rates.commission),
        commission_minimum=_floor(fees.commission_minimum),
        settlement=charge(rates.settlement),
        settlement_minimum=_floor(fees.settlement_fee_minimum),
        settlement_maximum=None
        if fees.settlement_fee_maximum is None
        else _floor(fees.settlement_fee_maximum),
        other=charge(rates.other + to_atoms(candidate.interest_rate, RATE_PLACES)),
        per_trade=_floor(fees.trading_tariff),
        knots=knots,
        penalty=top * SCALE // bottom if candidate.sell_last else 0,
        impact_squared=0
        if candidate.impact is None
        else candidate.impact.per_step_squared(top * SCALE // bottom, SCALE),
    )


def _is_bent(holding: Holding) -> bool:
    return bool(holding.tiers) or holding.ceiling is not None


def _beyond_ceiling(
    slices: list[tuple[Fraction, Fraction]], ceiling: Fraction
) -> list[tuple[Fraction, Fraction]]:
    """Let the first steps take nothing while what is held counts for more than a cap allows."""
    excess = sum((length * each for length, each in slices), Fraction(0)) - ceiling
    cut = []
    for length, each in slices:
        free = length if length * each <= excess else max(excess / each, Fraction(0))
        excess -= free * each
        cut += [(free, Fraction(0)), (length - free, each)]
    return [(length, each) for length, each in cut if length]


def _knots(candidate: Candidate, holding: Holding, target: Decimal) -> tuple[Knot, ...]:
    """Follow a tiered holding's margin value down from the top slice, exact at every whole step.

    A slice that ends within a step makes that step a piece of its own, so that nothing is lost between two lots.
    """
    mark = Fraction(holding.price) * Fraction(holding.fx_rate)
    a_step = mark * Fraction(candidate.step)
    factor = Fraction(target) * (1 - Fraction(holding.fx_haircut)) * SCALE
    whole = CONTEXT.multiply(CONTEXT.multiply(holding.quantity, holding.price), holding.fx_rate)
    slices = [
        (Fraction(part.market_value) / a_step, factor * (1 - Fraction(part.tier.haircut)) * a_step)
        for part in reversed(slices_of(holding, whole))
    ]
    if holding.ceiling is not None:
        slices = _beyond_ceiling(slices, Fraction(target) * SCALE * Fraction(holding.ceiling))

    def taken(steps: int) -> Fraction:
        total, left = Fraction(0), Fraction(steps)
        for length, each in slices:
            part = min(length, left)
            total += part * each
            left -= part
        return total

    starts, at = {0}, Fraction(0)
    for length, _ in slices[:-1]:
        at += length
        starts |= {at.__floor__(), at.__ceil__()}
    knots = []
    for start in sorted(starts):
        following = min((each for each in starts if each > start), default=start + 1)
        each = (taken(following) - taken(start)) / (following - start)
        knots.append((start, taken(start).__floor__(), each.__floor__()))
    return tuple(knots)


def _floor(*factors: Decimal) -> int:
    """Return the product of exact numbers in our unit, rounded down once."""
    top, bottom = SCALE, 1
    for factor in factors:
        a, b = factor.as_integer_ratio()
        top *= a
        bottom *= b
    return top // bottom
