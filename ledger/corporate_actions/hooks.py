"""How the rooms above take part in an action without the book knowing them.

A consumer is told of an applied action inside the transaction that applied it, so that a split's price and its
quantities change together or not at all. An obstacle says why an action must wait, such as an order at a venue.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.models import CorporateAction

Consumer = Callable[[CorporateAction], None]
Obstacle = Callable[[CorporateAction], str]

_consumers: list[Consumer] = []
_obstacles: list[Obstacle] = []


def when_applied(consumer: Consumer) -> Consumer:
    """Let `consumer` take part in the transaction of every action that is applied; what it raises undoes all."""
    _consumers.append(consumer)
    return consumer


def wait_for(obstacle: Obstacle) -> Obstacle:
    """Ask `obstacle` before an action is applied; it answers why the action must wait, or nothing."""
    _obstacles.append(obstacle)
    return obstacle


def tell(action: CorporateAction) -> None:
    """Tell every consumer that an action was applied, in the order in which they registered."""
    for consumer in _consumers:
        consumer(action)


def in_the_way(action: CorporateAction) -> str:
    """Return why an action must wait; empty when it need not."""
    return next((reason for obstacle in _obstacles if (reason := obstacle(action))), "")
