"""A firm's accounts under a scenario, valued by the kernel with their tiers and caps.

What is lent against is shocked first and capped afterwards: the base of a cap is the uncapped margin value at the
shocked prices, of the account, its client group and the firm (`collateral.caps`). No database, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Final

from collateral.caps import Cap, Ceiling, Scope, Worth, add_up, ceilings, under_ceilings
from collateral.valuation import AccountValue, Debt, Holding, value_account, value_holding
from ledger.core.decimals import CONTEXT, ZERO

from .scenarios import AT_REST, ONE, Scenario

MONEY: Final = "fiat"
SECURITY: Final = "security"


@dataclass(frozen=True, slots=True)
class Pledge:
    """A holding before any cap, the class of its asset, and the currency its price is quoted in."""

    holding: Holding
    kind: str
    currency: str

    def under(self, scenario: Scenario) -> Holding:
        """Return the holding at the prices and rates of a scenario."""
        of_price = scenario.price_factor(self.holding.code, self.kind)
        of_rate = scenario.rate_factor(self.currency)
        if of_price == of_rate == ONE:
            return self.holding
        return replace(
            self.holding,
            price=CONTEXT.multiply(self.holding.price, of_price),
            fx_rate=CONTEXT.multiply(self.holding.fx_rate, of_rate),
        )


@dataclass(frozen=True, slots=True)
class Account:
    """What one client pledged and owes; `debts` in `currency`, `ref` and `group` only name it."""

    ref: int
    pledges: tuple[Pledge, ...]
    debts: tuple[Debt, ...]
    currency: str
    cash: Decimal = ZERO
    credit_limit: Decimal | None = None
    group: int | None = None

    def owed(self, scenario: Scenario) -> tuple[Debt, ...]:
        """Return the debts at the ask of a scenario."""
        factor = scenario.rate_factor(self.currency)
        if factor == ONE:
            return self.debts
        return tuple(replace(debt, fx_rate=CONTEXT.multiply(debt.fx_rate, factor)) for debt in self.debts)

    def is_moved_by(self, scenario: Scenario) -> bool:
        """Whether a scenario changes any price or rate of this account."""
        return scenario.rate_factor(self.currency) != ONE or any(
            scenario.price_factor(pledge.holding.code, pledge.kind) != ONE
            or scenario.rate_factor(pledge.currency) != ONE
            for pledge in self.pledges
        )


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Accounts of a firm and the caps in force; `beside` are those that only count towards caps of group and firm."""

    accounts: Sequence[Account]
    caps: tuple[Cap, ...] = ()
    beside: Sequence[Account] = ()

    def under(self, scenario: Scenario) -> list[AccountValue]:
        """Return the value of each account under a scenario, in their order.

        >>> hsbc = Pledge(Holding("00005", Decimal(1000), Decimal("100"), Decimal("0.30")), "security", "HKD")
        >>> lam = Account(1, (hsbc,), (Debt("principal", Decimal("60000.00")),), "HKD")
        >>> fall = Scenario("fall", classes={"security": Decimal("0.8")})
        >>> [value] = Portfolio([lam]).under(fall)
        >>> value.margin_value, value.deficiency
        (Decimal('56000.00'), Decimal('4000.00'))
        """
        with localcontext(CONTEXT):
            bound = self.bound(scenario)
            return [
                value_under(account, scenario, ceilings_on)
                for account, ceilings_on in zip(self.accounts, bound, strict=True)
            ]

    def moved(self, scenario: Scenario, base: Sequence[AccountValue]) -> list[AccountValue]:
        """Return what :meth:`under` does, given the values at rest: what a scenario leaves alone is not valued again."""
        if any(cap.scope != Scope.ACCOUNT for cap in self.caps):
            return self.under(scenario)
        places = [place for place, account in enumerate(self.accounts) if account.is_moved_by(scenario)]
        values = list(base)
        for place, value in zip(
            places,
            Portfolio([self.accounts[place] for place in places], self.caps).under(scenario),
            strict=True,
        ):
            values[place] = value
        return values

    def bound(self, scenario: Scenario = AT_REST) -> list[tuple[Ceiling, ...]]:
        """Return the caps that bind on each account under a scenario."""
        if not self.caps:
            return [()] * len(self.accounts)
        everyone = (*self.accounts, *self.beside)
        worths = [worths_of(account, scenario) for account in everyone]
        groups: dict[int, list[Mapping[str, Worth]]] = {}
        for account, own in zip(everyone, worths, strict=True):
            if account.group is not None:
                groups.setdefault(account.group, []).append(own)
        together = {group: add_up(members) for group, members in groups.items()}
        firm = add_up(worths) if any(cap.scope == Scope.FIRM for cap in self.caps) else {}
        return [
            ceilings(own, {Scope.FIRM: firm, Scope.GROUP: together.get(account.group or 0, own)}, self.caps)
            for account, own in zip(self.accounts, worths, strict=False)
        ]


def value_under(account: Account, scenario: Scenario, bound: Iterable[Ceiling] = ()) -> AccountValue:
    """Value one account under a scenario, held to the ceilings that bind on it."""
    holdings = under_ceilings((pledge.under(scenario) for pledge in account.pledges), bound)
    return value_account(
        holdings, account.owed(scenario), cash=account.cash, credit_limit=account.credit_limit
    )


def worths_of(account: Account, scenario: Scenario) -> dict[str, Worth]:
    """Return the uncapped margin value of what is pledged by asset; money is not collateral that is capped."""
    return {
        pledge.holding.code: Worth(
            value_holding(pledge.under(scenario)).margin_value, pledge.kind != SECURITY
        )
        for pledge in account.pledges
        if pledge.kind != MONEY
    }
