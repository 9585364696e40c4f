"""The state machines of the room, each one table: (from, event, to).

Code asks :func:`step`, the database refuses by trigger what is not in the table, and the tests walk it.
A state that nothing leads out of is terminal: its row never changes again.
"""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext as _

from ledger.core.errors import Conflict

CALL: Final = "margin_call"
SALE: Final = "forced_sale"
ORDER: Final = "sale_order"
SETTLEMENT: Final = "settlement"

TRANSITIONS: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    CALL: (
        ("expected", "issued", "issued"),
        ("expected", "lapsed", "cancelled"),
        ("issued", "acknowledged", "acknowledged"),
        ("issued", "part_cured", "part_met"),
        ("issued", "cured", "met"),
        ("issued", "disputed", "disputed"),
        ("issued", "waived", "waived"),
        ("issued", "passed_due", "overdue"),
        ("issued", "reached_immediate", "overdue"),
        ("issued", "cancelled", "cancelled"),
        ("acknowledged", "part_cured", "part_met"),
        ("acknowledged", "cured", "met"),
        ("acknowledged", "disputed", "disputed"),
        ("acknowledged", "waived", "waived"),
        ("acknowledged", "passed_due", "overdue"),
        ("acknowledged", "reached_immediate", "overdue"),
        ("acknowledged", "cancelled", "cancelled"),
        ("part_met", "part_cured", "part_met"),
        ("part_met", "cured", "met"),
        ("part_met", "disputed", "disputed"),
        ("part_met", "waived", "waived"),
        ("part_met", "passed_due", "overdue"),
        ("part_met", "reached_immediate", "overdue"),
        ("part_met", "cancelled", "cancelled"),
        ("disputed", "returned_to_issued", "issued"),
        ("disputed", "returned_to_acknowledged", "acknowledged"),
        ("disputed", "returned_to_part_met", "part_met"),
        ("disputed", "returned_to_overdue", "overdue"),
        ("disputed", "cured", "met"),
        ("disputed", "waived", "waived"),
        ("disputed", "passed_due", "overdue"),
        ("disputed", "reached_immediate", "overdue"),
        ("disputed", "cancelled", "cancelled"),
        ("overdue", "cured", "met"),
        ("overdue", "disputed", "disputed"),
        ("overdue", "waived", "waived"),
        ("overdue", "cancelled", "cancelled"),
        ("overdue", "planned", "sale_pending"),
        ("overdue", "exhausted", "shortfall"),
        ("sale_pending", "cured", "met"),
        ("sale_pending", "waived", "waived"),
        ("sale_pending", "cancelled", "cancelled"),
        ("sale_pending", "replanned", "overdue"),
        ("sale_pending", "sold", "settled"),
        ("sale_pending", "exhausted", "shortfall"),
    ),
    SALE: (
        ("planned", "submitted", "submitted"),
        ("planned", "released_by_rule", "approved"),
        ("planned", "superseded", "superseded"),
        ("submitted", "approved", "approved"),
        ("submitted", "rejected", "rejected"),
        ("submitted", "superseded", "superseded"),
        ("approved", "started", "executing"),
        ("approved", "superseded", "superseded"),
        ("executing", "filled", "filled"),
        ("filled", "settled", "closed"),
    ),
    ORDER: (
        ("new", "sent", "sent"),
        ("new", "acknowledged", "acknowledged"),
        ("new", "lost", "unknown"),
        ("new", "part_filled", "part_filled"),
        ("new", "filled", "filled"),
        ("new", "rejected", "rejected"),
        ("new", "cancelled", "cancelled"),
        ("sent", "acknowledged", "acknowledged"),
        ("sent", "lost", "unknown"),
        ("sent", "part_filled", "part_filled"),
        ("sent", "filled", "filled"),
        ("sent", "rejected", "rejected"),
        ("sent", "cancelled", "cancelled"),
        ("unknown", "acknowledged", "acknowledged"),
        ("unknown", "part_filled", "part_filled"),
        ("unknown", "filled", "filled"),
        ("unknown", "rejected", "rejected"),
        ("unknown", "cancelled", "cancelled"),
        ("acknowledged", "part_filled", "part_filled"),
        ("acknowledged", "filled", "filled"),
        ("acknowledged", "rejected", "rejected"),
        ("acknowledged", "cancelled", "cancelled"),
        ("part_filled", "part_filled", "part_filled"),
        ("part_filled", "filled", "filled"),
        ("part_filled", "cancelled", "cancelled"),
    ),
    # A fail stays open: it is tried again on the next settlement day.
    SETTLEMENT: (
        ("pending", "part_settled", "part_settled"),
        ("pending", "settled", "settled"),
        ("pending", "failed", "failed"),
        ("part_settled", "part_settled", "part_settled"),
        ("part_settled", "settled", "settled"),
        ("part_settled", "failed", "failed"),
        ("failed", "part_settled", "part_settled"),
        ("failed", "settled", "settled"),
        ("failed", "failed", "failed"),
    ),
}


def step(machine: str, state: str, event: str) -> str:
    """Return the state that `event` leads to; raises Conflict (`wrong_state`) when it leads nowhere.

    >>> step("margin_call", "issued", "cured")
    'met'
    """
    for from_state, name, to_state in TRANSITIONS[machine]:
        if (from_state, name) == (state, event):
            return to_state
    raise Conflict(
        _("%(event)s is not possible from %(state)s.") % {"event": event, "state": state}, code="wrong_state"
    )


def load_transitions(**_signal: Any) -> None:
    """Bring the database's copy of the tables in line with this module."""
    from .models import Transition

    wanted = {(m, *row) for m, rows in TRANSITIONS.items() for row in rows}
    known = set(Transition.objects.values_list("machine", "from_state", "event", "to_state"))
    for machine, from_state, event, _to_state in known - wanted:
        Transition.objects.filter(machine=machine, from_state=from_state, event=event).delete()
    Transition.objects.bulk_create(
        Transition(machine=m, from_state=f, event=e, to_state=t) for m, f, e, t in sorted(wanted - known)
    )
