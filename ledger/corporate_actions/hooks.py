"""How the rooms above take part in an action without the book knowing them, inside the transaction that applies it.

What raises undoes all of it, so that a split's quantities, its price and whatever was planned in either change
together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.models import CorporateAction

Consumer = Callable[[CorporateAction], None]

_before: list[Consumer] = []
_after: list[Consumer] = []


def before_applied(consumer: Consumer) -> Consumer:
    """Call `consumer` before any balance is locked or counted.

    It may raise :class:`~ledger.core.errors.Conflict` (`must_wait`) with what is in the way, such as an order at a
    venue; the action is then tried again at the next beat. Locks of a room above are taken here, never afterwards.
    """
    _before.append(consumer)
    return consumer


def when_applied(consumer: Consumer) -> Consumer:
    """Call `consumer` when what every account is given was written down, and of a split booked."""
    _after.append(consumer)
    return consumer


def announce(action: CorporateAction) -> None:
    """Let every room prepare for an action, or refuse it for now, in the order in which they registered."""
    for consumer in _before:
        consumer(action)


def tell(action: CorporateAction) -> None:
    """Tell every room that an action was applied, in the order in which they registered."""
    for consumer in _after:
        consumer(action)
