"""The valuation kernel: what a pledge is worth and how far a loan is drawn against it.

Every face of the house asks this one function: the scheduled run, the price tick, the what-if, the stress
test, the sale planner and the replay. Values go in, values come out; no clock, no database, no Django.

Amounts are in the base currency (HKD) with two decimals. Sources: `reference/regulation.md` chapter 2 for the
definitions, chapter 15 for the rounding:

- market value = quantity x price x fx rate, rounded half up to the cent;
- margin value = market value x (1 - fx haircut) x (1 - haircut), rounded down to the cent; where a haircut has
  tiers, each slice of the market value takes its own and the sum is rounded once (chapter 13);
- a debt = amount x fx rate, rounded half up to the cent.

Assets are taken at the bid and debts at the ask; the caller passes the rate of the right side.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final

from ledger.core.decimals import CONTEXT, ZERO, exact, plain, round_down, round_half_up

ONE: Final = Decimal(1)
NO_MONEY: Final = Decimal("0.00")
RATIO_PLACES: Final = 6

ROUNDED_HALF_UP: Final = "half up to 0.01"
ROUNDED_DOWN: Final = "down to 0.01"

Explanation = dict[str, "str | list[Explanation] | None"]


class Level(StrEnum):
    """How loud an account speaks; the thresholds are policy data."""

    NORMAL = "normal"
    WARNING = "warning"
    CALL = "call"
    IMMEDIATE = "immediate"


@dataclass(frozen=True, slots=True)
class Tier:
    """The haircut on the slice of market value beyond `above` (base currency), up to the next tier."""

    above: Decimal
    haircut: Decimal
    ref: Hashable = None


@dataclass(frozen=True, slots=True)
class Holding:
    """One pledged asset at its price.

    `quantity` in units, `price` in quote currency per unit, `fx_rate` in base per quote currency (bid).
    `haircut` and `fx_haircut` are fractions from 0 to 1. `tiers` rise in both their columns; `haircut` is that
    of the slice below the first. No more than `ceiling` counts as margin value, where a cap binds
    (:mod:`collateral.caps`). The `_ref` fields name the rows that the figures came from (`terms_ref` those of
    :mod:`collateral.terms`) and are only repeated in the explanation. Raises `ValueError` on a value out of range
    or out of order.
    """

    code: str
    quantity: Decimal
    price: Decimal
    haircut: Decimal
    fx_rate: Decimal = ONE
    fx_haircut: Decimal = ZERO
    price_ref: Hashable = None
    fx_ref: Hashable = None
    haircut_ref: Hashable = None
    tiers: tuple[Tier, ...] = ()
    ceiling: Decimal | None = None
    ceiling_ref: Hashable = None
    terms_ref: Hashable = None

    def __post_init__(self) -> None:
        for name in ("quantity", "price", "haircut", "fx_rate", "fx_haircut"):
            object.__setattr__(self, name, _not_negative(name, self.code, getattr(self, name)))
        _rate_is_positive(self.code, self.fx_rate)
        for name in ("haircut", "fx_haircut"):
            if getattr(self, name) > ONE:
                raise ValueError(f"{name} {getattr(self, name)} of {self.code} is not between 0 and 1")
        if self.ceiling is not None:
            object.__setattr__(self, "ceiling", _cents("ceiling", self.ceiling))
        if self.tiers:
            _tiers_rise(self.code, self.haircut, self.tiers)

    @property
    def top_haircut(self) -> Decimal:
        """What the first unit sold was not lent against: the haircut of the last slice, all beyond a ceiling."""
        if not self.tiers and self.ceiling is None:
            return self.haircut
        market_value, margin_value = value_quantity(self, self.quantity)
        if self.ceiling is not None and margin_value < round_down(
            _margin_value_unrounded(self, market_value)
        ):
            return ONE
        return slices_of(self, market_value)[-1].tier.haircut


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a market value that falls in one tier, and its margin value before rounding."""

    tier: Tier
    market_value: Decimal
    margin_value_unrounded: Decimal


@dataclass(frozen=True, slots=True)
class Debt:
    """One sum the client owes: settled debit, unsettled net purchases, accrued interest or fees due.

    `amount` in its own currency, `fx_rate` in base per unit of that currency (ask).
    """

    kind: str
    amount: Decimal
    fx_rate: Decimal = ONE
    fx_ref: Hashable = None

    def __post_init__(self) -> None:
        for name in ("amount", "fx_rate"):
            object.__setattr__(self, name, _not_negative(name, self.kind, getattr(self, name)))
        _rate_is_positive(self.kind, self.fx_rate)


@dataclass(frozen=True, slots=True)
class HoldingValue:
    """A holding with its value; `margin_ratio` is the statutory term for 1 - haircut (Cap. 571Q)."""

    holding: Holding
    market_value: Decimal
    margin_ratio: Decimal
    margin_value: Decimal


@dataclass(frozen=True, slots=True)
class DebtValue:
    debt: Debt
    value: Decimal


@dataclass(frozen=True, slots=True)
class AccountValue:
    """An account valued at one moment; all amounts in base currency, exact to the cent.

    `loan` is what is owed after `cash` is set off, never below zero; cash beyond the debts is
    `credit_balance`. `effective_limit` is the lesser of margin value and credit limit. `deficiency` and
    `excess` are the loan's distance from it, one of them zero.
    """

    lines: tuple[HoldingValue, ...]
    debts: tuple[DebtValue, ...]
    cash: Decimal
    credit_limit: Decimal | None
    market_value: Decimal
    margin_value: Decimal
    loan: Decimal
    effective_limit: Decimal
    deficiency: Decimal
    excess: Decimal
    equity: Decimal
    credit_balance: Decimal

    @property
    def utilisation(self) -> Decimal | None:
        """Loan over effective limit as a ratio of six decimals, half up; None means infinite.

        For show only: whether a level is passed is asked of :meth:`is_above`, which does not round.
        """
        return _ratio(self.loan, self.effective_limit)

    @property
    def loan_to_value(self) -> Decimal | None:
        """Loan over market value as a ratio of six decimals, half up; None means infinite."""
        return _ratio(self.loan, self.market_value)

    def is_above(self, level: Decimal) -> bool:
        """Say whether utilisation is strictly above `level`, exactly, without dividing."""
        return self.loan > CONTEXT.multiply(level, self.effective_limit)

    def is_at_least(self, level: Decimal) -> bool:
        """Say whether utilisation is `level` or more, exactly; an account without a loan never is."""
        return self.loan > 0 and self.loan >= CONTEXT.multiply(level, self.effective_limit)


def value_quantity(holding: Holding, quantity: Decimal) -> tuple[Decimal, Decimal]:
    """Return (market value, margin value) that `quantity` of this holding has at the holding's price.

    >>> btc = Holding("BTC", Decimal("1.5"), Decimal(95000), Decimal("0.60"), Decimal("7.8"))
    >>> value_quantity(btc, Decimal(1))
    (Decimal('741000.00'), Decimal('296400.00'))
    """
    with localcontext(CONTEXT):
        market_value = round_half_up(quantity * holding.price * holding.fx_rate)
        margin_value = round_down(_margin_value_unrounded(holding, market_value))
        return market_value, margin_value if holding.ceiling is None else min(margin_value, holding.ceiling)


def slices_of(holding: Holding, market_value: Decimal) -> tuple[Slice, ...]:
    """Cut a market value (base currency) at the tiers of a holding; the first slice is there even if empty.

    The rule is marginal, as the exchanges have it (`reference/regulation.md` chapter 13): a tier changes the
    haircut of what lies beyond its bound and of nothing below.

    >>> usdt = Holding("USDT", Decimal(11000000), ONE, ZERO, tiers=(
    ...     Tier(Decimal(5000000), Decimal("0.1")), Tier(Decimal(10000000), Decimal("0.2"))))
    >>> [str(part.margin_value_unrounded) for part in slices_of(usdt, Decimal(11000000))]
    ['5000000', '4500000.0', '800000.0']
    """
    with localcontext(CONTEXT):
        tiers = (Tier(ZERO, holding.haircut, holding.haircut_ref), *holding.tiers)
        ends = (*(tier.above for tier in holding.tiers), market_value)
        parts = []
        for tier, end in zip(tiers, ends, strict=True):
            if tier.above and market_value <= tier.above:
                break
            value = min(end, market_value) - tier.above
            parts.append(Slice(tier, value, value * (ONE - holding.fx_haircut) * (ONE - tier.haircut)))
        return tuple(parts)


def _margin_value_unrounded(holding: Holding, market_value: Decimal) -> Decimal:
    if not holding.tiers:
        return market_value * (ONE - holding.fx_haircut) * (ONE - holding.haircut)
    return sum((part.margin_value_unrounded for part in slices_of(holding, market_value)), ZERO)


def value_holding(holding: Holding) -> HoldingValue:
    """Value one holding: market value half up, margin value down, both to the cent.

    >>> value_holding(Holding("00005", Decimal(8000), Decimal("98.40"), Decimal("0.30"))).margin_value
    Decimal('551040.00')
    """
    market_value, margin_value = value_quantity(holding, holding.quantity)
    return HoldingValue(holding, market_value, CONTEXT.subtract(ONE, holding.haircut), margin_value)


def value_account(
    holdings: Iterable[Holding],
    debts: Iterable[Debt],
    *,
    cash: Decimal = ZERO,
    credit_limit: Decimal | None = None,
) -> AccountValue:
    """Value an account: what is pledged, what is owed, and the distance between the two.

    `cash` is a credit balance in base currency and reduces the loan in full, never below zero. `credit_limit`
    in base currency; None means that only the margin value limits. Raises `ValueError` on a negative amount.

    >>> hsbc = Holding("00005", Decimal(1000), Decimal("100.00"), Decimal("0.30"))
    >>> value = value_account([hsbc], [Debt("principal", Decimal("80000.00"))])
    >>> value.deficiency, value.utilisation
    (Decimal('10000.00'), Decimal('1.142857'))
    """
    cash = _cents("cash", cash)
    limit = None if credit_limit is None else _cents("credit limit", credit_limit)
    with localcontext(CONTEXT):
        lines = tuple(value_holding(holding) for holding in holdings)
        owed = tuple(DebtValue(debt, round_half_up(debt.amount * debt.fx_rate)) for debt in debts)
        market_value = sum((line.market_value for line in lines), NO_MONEY)
        margin_value = sum((line.margin_value for line in lines), NO_MONEY)
        net_debt = sum((debt.value for debt in owed), NO_MONEY) - cash
        loan = max(net_debt, NO_MONEY)
        effective_limit = margin_value if limit is None else min(margin_value, limit)
        return AccountValue(
            lines=lines,
            debts=owed,
            cash=cash,
            credit_limit=limit,
            market_value=market_value,
            margin_value=margin_value,
            loan=loan,
            effective_limit=effective_limit,
            deficiency=max(loan - effective_limit, NO_MONEY),
            excess=max(effective_limit - loan, NO_MONEY),
            equity=market_value - net_debt,
            credit_balance=loan - net_debt,
        )


def classify(value: AccountValue, *, warn: Decimal, call: Decimal, immediate: Decimal) -> Level:
    """Place an account on the ladder of a policy; levels are ratios (1 = 100%).

    Above `warn` it is warned, strictly above `call` it is called (regulation 2.3: 100.0000% is not a call),
    at `immediate` or more it is sold at once (2.5). A loan without any limit to stand on is immediate.
    Raises `ValueError` unless 0 < warn <= call <= immediate.
    """
    if not 0 < warn <= call <= immediate:
        raise ValueError(f"levels must rise: warn {warn}, call {call}, immediate {immediate}")
    if value.is_at_least(immediate):
        return Level.IMMEDIATE
    if value.is_above(call):
        return Level.CALL
    return Level.WARNING if value.is_above(warn) else Level.NORMAL


def explain(value: AccountValue) -> Explanation:
    """Name every price, rate, haircut and rounding step behind a valuation, as JSON-safe text.

    The same valuation always gives the same text: inputs are written without trailing zeros, amounts with
    two decimals, in the order in which the holdings and debts were given.
    """
    limit_is_credit = value.credit_limit is not None and value.credit_limit < value.margin_value
    with localcontext(CONTEXT):
        return {
            "holdings": [_explain_holding(line) for line in value.lines],
            "debts": [_explain_debt(debt) for debt in value.debts],
            "cash": plain(value.cash),
            "credit_limit": None if value.credit_limit is None else plain(value.credit_limit),
            "market_value": plain(value.market_value),
            "margin_value": plain(value.margin_value),
            "loan": plain(value.loan),
            "credit_balance": plain(value.credit_balance),
            "effective_limit": plain(value.effective_limit),
            "effective_limit_is": "credit limit" if limit_is_credit else "margin value",
            "deficiency": plain(value.deficiency),
            "excess": plain(value.excess),
            "equity": plain(value.equity),
            "utilisation": None if value.utilisation is None else plain(value.utilisation),
            "loan_to_value": None if value.loan_to_value is None else plain(value.loan_to_value),
            "ratio_rounding": "half up to 0.000001, for show only",
        }


def _explain_holding(line: HoldingValue) -> Explanation:
    holding = line.holding
    unrounded = holding.quantity * holding.price * holding.fx_rate
    return {
        "code": holding.code,
        "quantity": _text(holding.quantity),
        "price": _text(holding.price),
        "price_ref": _reference(holding.price_ref),
        "fx_rate": _text(holding.fx_rate),
        "fx_ref": _reference(holding.fx_ref),
        "market_value_unrounded": _text(unrounded),
        "market_value_rounding": ROUNDED_HALF_UP,
        "market_value": plain(line.market_value),
        "fx_haircut": _text(holding.fx_haircut),
        "haircut": _text(holding.haircut),
        "haircut_ref": _reference(holding.haircut_ref),
        "terms_ref": _reference(holding.terms_ref),
        "margin_ratio": _text(line.margin_ratio),
        "slices": [_explain_slice(part) for part in slices_of(holding, line.market_value)],
        "margin_value_unrounded": _text(_margin_value_unrounded(holding, line.market_value)),
        "margin_value_rounding": ROUNDED_DOWN,
        "ceiling": None if holding.ceiling is None else plain(holding.ceiling),
        "ceiling_ref": _reference(holding.ceiling_ref),
        "margin_value": plain(line.margin_value),
    }


def _explain_slice(part: Slice) -> Explanation:
    return {
        "above": _text(part.tier.above),
        "haircut": _text(part.tier.haircut),
        "ref": _reference(part.tier.ref),
        "market_value": plain(part.market_value),
        "margin_value_unrounded": _text(part.margin_value_unrounded),
    }


def _explain_debt(line: DebtValue) -> Explanation:
    debt = line.debt
    return {
        "kind": debt.kind,
        "amount": _text(debt.amount),
        "fx_rate": _text(debt.fx_rate),
        "fx_ref": _reference(debt.fx_ref),
        "value_unrounded": _text(debt.amount * debt.fx_rate),
        "value_rounding": ROUNDED_HALF_UP,
        "value": plain(line.value),
    }


def _text(number: Decimal) -> str:
    digits = plain(number)
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _reference(ref: Hashable) -> str | None:
    return None if ref is None else str(ref)


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    if part == 0:
        return round_half_up(ZERO, RATIO_PLACES)
    if whole == 0:
        return None
    return round_half_up(CONTEXT.divide(part, whole), RATIO_PLACES)


def _not_negative(name: str, owner: str, value: Decimal) -> Decimal:
    number = exact(value)
    if number < 0:
        raise ValueError(f"{name} {number} of {owner} is negative")
    return number


def _tiers_rise(owner: str, haircut: Decimal, tiers: Iterable[Tier]) -> None:
    above = ZERO
    for tier in tiers:
        if not (tier.above > above and haircut <= tier.haircut <= ONE):
            raise ValueError(f"tier above {tier.above} at {tier.haircut} of {owner} is out of order")
        above, haircut = tier.above, tier.haircut


def _rate_is_positive(owner: str, fx_rate: Decimal) -> None:
    if fx_rate == 0:
        raise ValueError(f"fx_rate of {owner} is zero")


def _cents(name: str, value: Decimal) -> Decimal:
    number = _not_negative(name, "the account", value)
    if number != round_half_up(number):
        raise ValueError(f"{name} {number} is not exact to the cent")
    return round_half_up(number)
