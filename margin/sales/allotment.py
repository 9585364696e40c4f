"""Sharing out whole lots in proportion: the largest remainders get what the division leaves over.

Used when many accounts want one thin share, and when a block order is filled in part: nobody's share is more
than a lot away from the exact proportion, and the shares add up to what there is (invariant I21).
"""

from __future__ import annotations

from collections.abc import Sequence


def allot(total: int, weights: Sequence[int], limits: Sequence[int] | None = None) -> list[int]:
    """Share `total` lots in proportion to `weights`, nobody above their limit.

    Floors first, then one lot each to the largest remainders; equal remainders go to whoever stands first.
    What limits leave over is shared among the others by the same rule. Less than `total` is given out only
    when all limits are reached or no weight is positive. Raises `ValueError` on a negative number.

    >>> allot(10, [1, 1, 1]), allot(7, [5, 3, 2], [2, 9, 9])
    ([4, 3, 3], [2, 3, 2])
    """
    limits = [total] * len(weights) if limits is None else list(limits)
    if total < 0 or any(number < 0 for number in (*weights, *limits)):
        raise ValueError("lots, weights and limits are not negative")
    given = [0] * len(weights)
    left = min(total, sum(most for most, weight in zip(limits, weights, strict=True) if weight))
    while left:
        open_to = [i for i, most in enumerate(limits) if weights[i] and given[i] < most]
        whole = sum(weights[i] for i in open_to)
        capped = [i for i in open_to if weights[i] * left // whole >= limits[i] - given[i]]
        if capped:
            # Whoever cannot take their share leaves the rest to the others.
            for i in capped:
                left -= limits[i] - given[i]
                given[i] = limits[i]
            continue
        by_remainder = sorted(open_to, key=lambda i: (-(weights[i] * left % whole), i))
        floors = {i: weights[i] * left // whole for i in open_to}
        extra = left - sum(floors.values())
        for place, i in enumerate(by_remainder):
            given[i] += floors[i] + (place < extra)
        left = 0
    return given
