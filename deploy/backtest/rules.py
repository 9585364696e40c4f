"""What to sell of an account that must be sold: our plan, and the rules that others use.

A rule takes the account as a `SaleBook` and returns how many steps of each candidate go. "Exact" rules stop at the
first whole step that reaches the target.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from margin.sales.lots import SaleBook, least_true
from margin.sales.planner import SalePlan, plan_sale

Question = dict[str, Any]
Choice = list[int]
PARTS: Final = 10_000


def ours(question: Question) -> SalePlan:
    return plan_sale(**question)


def pro_rata(book: SaleBook) -> Choice:
    """The same part of every asset, rounded up to whole steps: the least part that cures."""

    def part(of: int) -> Choice:
        return [-(-most * of // PARTS) for most in book.steps_max]

    if not book.is_cured(part(PARTS)):
        return part(PARTS)
    return part(least_true(lambda of: book.is_cured(part(of)), 0, PARTS, 1))


def largest_first(book: SaleBook) -> Choice:
    """One position after the other, the largest first, until the account is at the target."""
    choice, _ = book.fill(by_size(book))
    return choice


def half_the_loan(book: SaleBook) -> Choice:
    """The largest first until half the loan is repaid, needed or not (a close factor of 50%)."""
    choice = [0] * len(book.steps_max)
    wanted = book.loan_cents // 2
    for index in by_size(book):
        if wanted <= 0:
            break
        most = book.steps_max[index]
        if book.leg(index, most)[2] <= wanted:
            choice[index] = most
        else:
            enough = wanted
            choice[index] = least_true(lambda n, i=index, e=enough: book.leg(i, n)[2] >= e, 0, most, 1)  # type: ignore[misc]
        wanted -= book.leg(index, choice[index])[2]
    return choice


def everything(book: SaleBook) -> Choice:
    return list(book.steps_max)


def by_size(book: SaleBook) -> list[int]:
    return sorted(range(len(book.steps_max)), key=lambda i: -book.leg(i, book.steps_max[i])[0])


PEERS: Final[dict[str, Callable[[SaleBook], Choice]]] = {
    "pro_rata": pro_rata,
    "largest_first": largest_first,
    "half_the_loan": half_the_loan,
    "everything": everything,
}
RULES: Final = ("ours", *PEERS)


def choose(rule: str, question: Question, plan: SalePlan) -> dict[str, Decimal]:
    """Return the units that a rule sells by asset; `plan` is what ours would do with the same account."""
    if rule == "ours":
        return {leg.code: leg.quantity for leg in plan.legs}
    candidates = [offer for offer in question["candidates"] if offer.is_tradable and offer.steps_max]
    book = SaleBook(**(question | {"candidates": candidates}))
    choice = PEERS[rule](book)
    return {offer.code: offer.step * steps for offer, steps in zip(candidates, choice, strict=True) if steps}
