"""Public identifiers: a typed prefix and a time-ordered UUID, as in `call_01890a5d...`.

UUID version 7 (RFC 9562) keeps index inserts at the right edge of the tree.
"""

from __future__ import annotations

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """Return a version 7 UUID: 48 bits of Unix milliseconds, then random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def uuid7s(count: int) -> list[uuid.UUID]:
    """Return `count` version 7 UUIDs of one moment, ascending: the random part is counted on from a random start."""
    first = uuid7().int & ~(0x3 << 60)
    return [uuid.UUID(int=first + number) for number in range(count)]
