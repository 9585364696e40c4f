"""Holds: amounts reserved between two accounts until they are posted, released or expire.

A hold says in advance what a journal will do: debit one account and credit another of the same asset, place and book.
While it is active, what is left of it counts against the bounds of both accounts, under the same constraint as what is
booked; so what is available is never promised twice. It is posted whole or in parts by journals that name it, and what
is left is released by hand or expires by the clock. An expired hold is not posted, whether or not the clock came round.

Holds placed together are a group, all or none: under one key, with one end, named after the first of them. Nobody joins
a group later; it is posted and released whole. A hold placed alone is a group of one.

Locks are taken in the order keys, holds by id, balances by account. The law stands in `ledger/sql/holds.sql`.
"""

from .ending import HoldPosted, expire_due, post_group, post_hold, release, release_group
from .placing import Placed, place
from .wishes import HOLDS_PER_GROUP_MAX, HoldRequest

__all__ = [
    "HOLDS_PER_GROUP_MAX",
    "HoldPosted",
    "HoldRequest",
    "Placed",
    "expire_due",
    "place",
    "post_group",
    "post_hold",
    "release",
    "release_group",
]
