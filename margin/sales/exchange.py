"""Better lots by exchange: a few steps of one candidate against as many of another as still cure.

Where several assets cost about the same per dollar cured, the linear optimum says nothing of how many lots of
each fit together, and the search would have to try them in turn. Two numbers changed at once find nearly
always a choice whose surplus is so small that the bound proves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from margin.sales.lines import Line
from margin.sales.lots import Counts, SaleBook

GUESSES_MAX: Final = 6
REACH: Final = 40
"""By how many steps the first of two candidates is moved at most."""


def exchanged(
    book: SaleBook, counts: Counts, indices: Sequence[int], slack: int | None, *, enough: int
) -> Counts | None:
    """Return a cheaper choice that differs in two of `indices` and cures before rounding; None if there is none.

    `slack` is a candidate of fine steps, sold in full here, that takes up what a pair cures beyond need. Costs
    are those of `lines`, unrounded; whether the choice cures in the books has still to be asked. The first choice
    that saves `enough` will do.
    """
    sold = list(counts)
    least = 0
    if slack is not None:
        sold[slack] = book.steps_max[slack]
        least = book.effect(slack, counts[slack]).cost - book.effect(slack, sold[slack]).cost
    short = book.unrounded_shortages(sold)
    best = None
    enough = least - enough
    for pair in combinations(indices, 2):
        least, numbers = _best_pair(book, sold, pair, short, slack, least)
        if numbers:
            best = list(sold)
            best[pair[0]], best[pair[1]], back = numbers
            if slack is not None:
                best[slack] -= back
            if least <= enough:
                break
    return best


def _best_pair(
    book: SaleBook,
    counts: Counts,
    pair: tuple[int, int],
    short: tuple[int, int],
    slack: int | None,
    least: int,
) -> tuple[int, tuple[int, int, int] | None]:
    """Return the least change of cost and what makes it: two numbers, and the slack's steps given back."""
    first, second = pair
    old_one, old_other = book.effect(first, counts[first]), book.effect(second, counts[second])
    spent = old_one.cost + old_other.cost
    bare_margin = short[0] + old_one.to_margin + old_other.to_margin
    bare_limit = short[1] + old_one.to_limit + old_other.to_limit
    found = None
    lowest, highest = max(counts[first] - REACH, 0), min(counts[first] + REACH, book.steps_max[first])
    for number in range(lowest, highest + 1):
        eased = book.effect(first, number)
        need = bare_margin - eased.to_margin, bare_limit - eased.to_limit
        count = least_easing(book, second, need)
        if count is None:
            continue
        cost, back = eased.cost - spent, 0
        eased = book.effect(second, count)
        cost += eased.cost
        if slack is not None:
            line = book.lines[slack]
            back = _given_back(line, counts[slack], eased.to_margin - need[0], eased.to_limit - need[1])
            cost -= back * (line.marginal_charges + line.penalty)
        if cost < least:
            least, found = cost, (number, count, back)
    return least, found


def _given_back(line: Line, steps: int, spare_margin: int, spare_limit: int) -> int:
    """Return how many of the slack's steps the spare cure makes needless."""
    net = line.value - line.marginal_charges
    by_margin = spare_margin // (net - line.margin) if net > line.margin else steps
    return max(min(steps, by_margin, spare_limit // net), 0)


def least_easing(book: SaleBook, index: int, need: tuple[int, int]) -> int | None:
    """Return a number of steps that eases both needs before rounding, the least or close to it; None if none does.

    Marginal rates say where to look first; minima of charges, impact and tiers may put it further on.
    """
    if max(need) <= 0:
        return 0
    line = book.lines[index]
    net = line.value - line.marginal_charges
    cures = net - line.margin, net
    steps = 0
    for _ in range(GUESSES_MAX):
        eased = book.effect(index, steps)
        left = need[0] - eased.to_margin, need[1] - eased.to_limit
        if max(left) <= 0:
            return steps
        for part, cure in zip(left, cures, strict=True):
            if part > 0 and cure <= 0:
                return None
        steps += max(-(-part // cure) for part, cure in zip(left, cures, strict=True) if part > 0)
        if steps > book.steps_max[index]:
            return None
    return None
