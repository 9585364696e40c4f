"""One plan for all accounts of a firm that must sell at once: who sells how much of what, in whole lots.

Accounts that are planned one by one may together offer more of a thin share than its market takes. Here every
asset may have a cap; `scarcity` says who gets how much of what is capped, and each account is then fitted to
whole lots exactly, with the charges and roundings of the books. The legs of one asset form one block order, whose
split is part of the plan: it stands before an order is sent, and a fill in part is shared by :func:`split_fill`.
Sources: `reference/margin-peers.md` 2.9.5, 2.9.8 C and invariant I21.

Pure, deterministic and in integers; the same question has the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from ledger.core.decimals import CONTEXT, ZERO, exact, from_atoms, to_atoms
from margin.sales.allotment import allot
from margin.sales.fees import RATE_UNIT, FeeSchedule
from margin.sales.firm_lots import AccountLots, AssetLots
from margin.sales.scarcity import Claimant, Shares, Terms, share_out, terms_of

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class FirmAsset:
    """What may be sold for many accounts: `step`, `price`, `fees` and rates as of a `Candidate`.

    `cap` is how many units the firm sells of it in this round at most (participation x average daily volume x
    horizon); None means no cap, 0 that it cannot be sold now. Raises `ValueError` on a value out of range.
    """

    code: str
    step: Decimal
    price: Decimal
    haircut: Decimal
    fees: FeeSchedule
    fx_rate: Decimal = ONE
    fx_haircut: Decimal = ZERO
    cap: Decimal | None = None

    def __post_init__(self) -> None:
        for name in ("step", "price", "fx_rate"):
            if exact(getattr(self, name)) <= 0:
                raise ValueError(f"{name} {getattr(self, name)} of {self.code} is not positive")
        for name in ("haircut", "fx_haircut"):
            if not 0 <= exact(getattr(self, name)) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} of {self.code} is not between 0 and 1")
        if self.cap is not None and exact(self.cap) < 0:
            raise ValueError(f"cap {self.cap} of {self.code} is negative")


@dataclass(frozen=True, slots=True)
class FirmAccount:
    """One account that is above its target: `loan` in base currency to the cent, `held` units by asset code.

    `other_margin_value` is what all else pledged counts for. A higher `band` is more urgent. Raises `ValueError`
    on a target outside 0 to 1 or a negative amount.
    """

    key: str
    loan: Decimal
    held: Mapping[str, Decimal]
    target: Decimal
    band: int = 0
    credit_limit: Decimal | None = None
    other_margin_value: Decimal = ZERO

    def __post_init__(self) -> None:
        if not 0 < exact(self.target) <= 1:
            raise ValueError(f"target {self.target} of {self.key} is not above 0 and up to 1")
        amounts = (self.loan, self.other_margin_value, *self.held.values())
        if any(exact(amount) < 0 for amount in amounts) or self.band < 0:
            raise ValueError(f"an amount of {self.key} is negative")


@dataclass(frozen=True, slots=True)
class FirmLeg:
    """What one account sells of one asset, and the charges on its part at the planned price."""

    account: str
    code: str
    quantity: Decimal
    gross: Decimal
    charges: Decimal


@dataclass(frozen=True, slots=True)
class Block:
    """One asset's order for all accounts, with the split that is fixed before the order is sent."""

    code: str
    quantity: Decimal
    is_scarce: bool
    split: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class FirmPlan:
    """All legs, the block orders they form, and what is left short of the target by account.

    `cost_bound` is a floor under the cost of any plan that cures all accounts within the caps, lots, minima and
    roundings left aside; None where an account stays short. `is_within_a_lot` says that every account is cured
    and the cost is above the floor by less than the charges of one lot a leg.
    """

    legs: tuple[FirmLeg, ...]
    blocks: tuple[Block, ...]
    uncured: tuple[tuple[str, Decimal], ...]
    total_cost: Decimal
    cost_bound: Decimal | None
    is_within_a_lot: bool


def plan_firm(*, assets: Sequence[FirmAsset], accounts: Sequence[FirmAccount]) -> FirmPlan:
    """Plan the sales of many accounts together, so that no asset is sold beyond its cap.

    Amounts in base currency; quantities in units, multiples of each asset's step. An account that is at its target
    sells nothing. Raises `ValueError` on a code or an account given twice, or an asset held but not described.

    >>> from margin.sales.fees import VATP_EXAMPLE
    >>> thin = FirmAsset("08000", Decimal(1000), Decimal(1), Decimal("0.6"), VATP_EXAMPLE, cap=Decimal(5000))
    >>> ten = {"08000": Decimal(10000)}
    >>> both = [FirmAccount(key, Decimal(7000), ten, ONE) for key in ("A", "B")]
    >>> plan_firm(assets=[thin], accounts=both).blocks[0].split
    (('A', Decimal('3000')), ('B', Decimal('2000')))
    """
    with localcontext(CONTEXT):
        _check(assets, accounts)
        return _Firm(assets, accounts).plan()


def split_fill(filled: Decimal, step: Decimal, split: Sequence[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Share what was filled of a block order in proportion to its recorded split, in whole steps.

    Shares add up to the fill exactly (I21). Raises `ValueError` on a fill that is not whole steps or is above
    the order.

    >>> split_fill(Decimal(3000), Decimal(1000), [("A", Decimal(4000)), ("B", Decimal(2000))])
    {'A': Decimal('2000'), 'B': Decimal('1000')}
    """
    with localcontext(CONTEXT):
        lots, rest = divmod(exact(filled), step)
        wanted = [int(quantity / step) for _, quantity in split]
        if rest or not 0 <= lots <= sum(wanted):
            raise ValueError(f"a fill of {filled} is not a part of the order in steps of {step}")
        shares = allot(int(lots), wanted, wanted)
        return {key: step * number for (key, _), number in zip(split, shares, strict=True)}


@dataclass(slots=True)
class _Seller:
    """An account at work: its claim on what is scarce, and its lots."""

    account: FirmAccount
    claim: Claimant
    lots: AccountLots
    counts: list[int] = field(default_factory=list)


class _Firm:
    def __init__(self, assets: Sequence[FirmAsset], accounts: Sequence[FirmAccount]) -> None:
        self.assets = assets
        self.lots = [AssetLots(each) for each in assets]
        self.caps = [
            None if each.cap is None else lots.lots_in(each.cap)
            for each, lots in zip(assets, self.lots, strict=True)
        ]
        self._terms: dict[Decimal, Terms] = {}
        made = [self._seller(account) for account in accounts]
        self.sellers = [seller for seller in made if seller.claim.shortage > 0]

    def plan(self) -> FirmPlan:
        claims = [seller.claim for seller in self.sellers]
        caps = [
            None if cap is None else lots.gross(cap) for cap, lots in zip(self.caps, self.lots, strict=True)
        ]
        shares = share_out(claims, caps)
        rooms = self._rooms(shares)
        self._fit(rooms, shares)
        self._second_chance()
        return self._result(shares)

    def _seller(self, account: FirmAccount) -> _Seller:
        lots = AccountLots(self.lots, account, self._terms_at(account.target))
        most = [asset.gross(number) for asset, number in zip(self.lots, lots.most, strict=True)]
        return _Seller(account, Claimant(lots.shortage_cents, account.band, lots.terms, most), lots)

    def _terms_at(self, target: Decimal) -> Terms:
        known = self._terms.get(target)
        if known is None:
            costs = [to_atoms(each.fees.marginal_rate, 10) for each in self.assets]
            taken = [target * (ONE - each.haircut) * (ONE - each.fx_haircut) for each in self.assets]
            cures = [
                RATE_UNIT - cost - int(-(-rate * RATE_UNIT // 1))
                for cost, rate in zip(costs, taken, strict=True)
            ]
            known = self._terms[target] = terms_of(costs, cures)
        return known

    def _rooms(self, shares: Shares) -> list[list[int]]:
        """Turn shares in cents into whole lots by largest remainder within the cap, the urgent bands first."""
        rooms = [list(seller.lots.most) for seller in self.sellers]
        bands = sorted({seller.account.band for seller in self.sellers}, reverse=True)
        for index in shares.prices:
            left = self.caps[index] or 0
            for band in bands:
                members = [i for i, seller in enumerate(self.sellers) if seller.account.band == band]
                wanted = [self.sellers[i].claim.limits[index] for i in members]
                most = [
                    min(self.lots[index].lots_for(amount), rooms[i][index])
                    for i, amount in zip(members, wanted, strict=True)
                ]
                for i, number in zip(members, allot(left, wanted, most), strict=True):
                    rooms[i][index] = number
                    left -= number
        return rooms

    def _fit(self, rooms: Sequence[list[int]], shares: Shares) -> None:
        """Fit every account to lots, the most urgent first: a cap that nobody feels in cents may bind in lots."""
        left = {i: cap for i, cap in enumerate(self.caps) if cap is not None and i not in shares.prices}
        by_urgency = sorted(
            zip(self.sellers, rooms, strict=True),
            key=lambda pair: (-pair[0].account.band, -pair[0].claim.shortage),
        )
        for seller, room in by_urgency:
            for index, free in left.items():
                room[index] = min(room[index], free)
            seller.counts = seller.lots.fit(room)
            for index in left:
                left[index] -= seller.counts[index]

    def _second_chance(self) -> None:
        """Give lots that nobody took to those who are still short, the more urgent and the shorter first."""
        left = [
            None if cap is None else cap - sum(seller.counts[index] for seller in self.sellers)
            for index, cap in enumerate(self.caps)
        ]
        short = [seller for seller in self.sellers if not seller.lots.is_cured(seller.counts)]
        for seller in sorted(short, key=lambda each: (-each.account.band, -each.claim.shortage)):
            room = [
                most if free is None else min(most, count + free)
                for most, free, count in zip(seller.lots.most, left, seller.counts, strict=True)
            ]
            again = seller.lots.fit(room)
            for index, free in enumerate(left):
                if free is not None:
                    left[index] = free + seller.counts[index] - again[index]
            seller.counts = again

    def _result(self, shares: Shares) -> FirmPlan:
        legs = [
            FirmLeg(
                seller.account.key,
                self.assets[index].code,
                self.assets[index].step * number,
                from_atoms(self.lots[index].gross(number), 2),
                from_atoms(self.lots[index].charges(number), 2),
            )
            for seller in self.sellers
            for index, number in enumerate(seller.counts)
            if number
        ]
        uncured = tuple(
            (seller.account.key, seller.lots.shortage(seller.counts))
            for seller in self.sellers
            if not seller.lots.is_cured(seller.counts)
        )
        cost = sum((leg.charges for leg in legs), Decimal("0.00"))
        a_lot_each = sum(
            self.lots[index].charges(1)
            for seller in self.sellers
            for index, number in enumerate(seller.counts)
            if number
        )
        within = to_atoms(cost, 2) - a_lot_each
        bound = None if uncured else from_atoms(max(self._best_bound(shares.prices, within), 0), 2)
        return FirmPlan(
            legs=tuple(legs),
            blocks=self._blocks(shares),
            uncured=uncured,
            total_cost=cost,
            cost_bound=bound,
            is_within_a_lot=bound is not None and cost - bound <= from_atoms(a_lot_each, 2),
        )

    def _blocks(self, shares: Shares) -> tuple[Block, ...]:
        blocks = []
        for index, asset in enumerate(self.assets):
            split = tuple(
                (seller.account.key, asset.step * seller.counts[index])
                for seller in self.sellers
                if seller.counts[index]
            )
            if split:
                total = sum((quantity for _, quantity in split), ZERO)
                blocks.append(Block(asset.code, total, index in shares.prices, split))
        return tuple(blocks)

    def _best_bound(self, found: Mapping[int, int], enough: int) -> int:
        """Return the highest floor in cents of a few prices, and stop at one of `enough`.

        Any prices give a floor. Those found in turn are often too high together, so each is tried at none and at half.
        """
        prices = dict(found)
        climbed, free = self._bound(prices), self._bound({})
        for index in sorted(found, reverse=True):
            for part in (0, found[index] // 2):
                if max(climbed, free) >= enough:
                    break
                trial = prices | {index: part}
                bound = self._bound(trial)
                if bound > climbed:
                    climbed, prices = bound, trial
        return max(climbed, free)

    def _bound(self, scarcity: Mapping[int, int]) -> int:
        """Return the cost in cents that no plan within the caps goes below, by the prices of what is scarce.

        Every account pays the price on top of its costs and chooses freely; what the caps would fetch at that
        price is taken off again (Lagrangian duality), so any prices give a floor.
        """
        prices = [scarcity.get(index, 0) // 10**5 for index in range(len(self.assets))]
        priced = {
            target: terms_of(
                [cost + price for cost, price in zip(terms.cost, prices, strict=True)], terms.cure
            )
            for target, terms in self._terms.items()
        }
        floor = 0
        for seller in self.sellers:
            terms = priced[seller.account.target]
            claim = Claimant(seller.claim.shortage, 0, terms, seller.claim.most, seller.claim.most)
            floor += sum(amount * cost for amount, cost in zip(claim.wanted()[0], terms.cost, strict=True))
        for index, cap in enumerate(self.caps):
            floor -= prices[index] * self.lots[index].gross(cap or 0)
        return floor // RATE_UNIT


def _check(assets: Sequence[FirmAsset], accounts: Sequence[FirmAccount]) -> None:
    codes = {asset.code for asset in assets}
    if len(codes) != len(assets) or len({account.key for account in accounts}) != len(accounts):
        raise ValueError("an asset or an account is given twice")
    for account in accounts:
        unknown = account.held.keys() - codes
        if unknown:
            raise ValueError(f"{account.key} holds {min(unknown)}, which is not described")
