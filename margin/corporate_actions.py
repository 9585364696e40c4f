"""A split and what the room has under way in its asset: orders come off first, plans are made anew afterwards.

An order at a venue is in old shares, so a split waits until none is left (`margin.sales.execution` takes them off). A
plan is in old shares too: one that has not begun is superseded, one that has ends with what it sold, and the call is
planned again. The call itself stays as it was issued, because a split changes no value.
"""

from __future__ import annotations

from django.utils.translation import gettext as _

from ledger.core.errors import Conflict
from ledger.core.events import SYSTEM, record_event
from ledger.models import CorporateAction

from . import states
from .lifecycle import supersede_plans
from .models import Facility, ForcedSale, MarginCall, SaleOrder


def end_sales_of(action: CorporateAction) -> None:
    """End every live sale that has a leg in the asset of a split; raises Conflict (`must_wait`) while one has an order.

    Facilities, calls and sales are locked in this order, which is the room's, so no order is made meanwhile.
    """
    if action.kind != CorporateAction.Kind.SPLIT:
        return
    sales = ForcedSale.objects.filter(status__in=ForcedSale.LIVE, legs__asset=action.asset_id)
    calls = MarginCall.objects.filter(pk__in=sales.values("call"))
    list(
        Facility.objects.select_for_update(no_key=True).filter(pk__in=calls.values("facility")).order_by("pk")
    )
    locked = calls.select_for_update(of=("self",), no_key=True)
    for call in locked.select_related("facility__client__broker").order_by("pk"):
        order = SaleOrder.objects.filter(leg__sale__call=call, status__in=SaleOrder.LIVE).first()
        if order is not None:
            raise Conflict(
                _("The order %(order)s is not finished.") % {"order": order.client_order_id}, code="must_wait"
            )
        supersede_plans(call, actor=SYSTEM, reason=f"split {action.reference}")
        _end_what_began(call, reason=f"split {action.reference}")


def _end_what_began(call: MarginCall, *, reason: str) -> None:
    begun = ForcedSale.objects.select_for_update(no_key=True).filter(
        call=call, status=ForcedSale.Status.EXECUTING
    )
    for sale in begun:
        sale.status = states.step(states.SALE, sale.status, "filled")
        sale.save(update_fields=["status"])
        record_event(
            "margin.sale.filled",
            sale,
            actor=SYSTEM,
            reason=reason,
            broker_code=call.facility.client.broker.code,
        )
