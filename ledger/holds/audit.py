"""The body of a hold, proved against the hash of the wish that placed it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from ledger.audit import Finding, register
from ledger.models import Hold

from .placing import with_accounts
from .wishes import body_hash, recorded_body

CHECK = "ledger.holds_match_their_hash"
_ROWS_PER_FETCH = 2_000


def altered_groups() -> Iterator[Finding]:
    """The body hash of each group, made anew from what stands in the books."""
    rows = with_accounts(Hold.objects.all()).order_by("group_id", "position")
    for group_id, holds in groupby(rows.iterator(_ROWS_PER_FETCH), key=lambda hold: hold.group_id):
        group = list(holds)
        if body_hash(recorded_body(group)) != bytes(group[0].body_hash):
            yield Finding(CHECK, f"group {group_id}", "its body is not the one its hash was made of")


def register_check() -> None:
    register(CHECK, altered_groups)
