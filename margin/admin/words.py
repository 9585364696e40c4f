"""The codes that plans, events and journals carry, in words a person reads."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from margin.charges import CHARGES

TOPICS: Final[dict[str, Any]] = {
    "margin.call.issued": _("Call issued"),
    "margin.call.cured": _("Call met"),
    "margin.call.passed_due": _("Due time passed"),
    "margin.call.reached_immediate": _("Reached the level of immediate sale"),
    "margin.call.planned": _("Sale planned"),
    "margin.call.replanned": _("Short again: to be planned anew"),
    "margin.call.sold": _("Settled by sale"),
    "margin.call.exhausted": _("Nothing left to sell"),
    "margin.call.expected": _("Call expected"),
    "margin.call.lapsed": _("No longer expected"),
    "margin.call.acknowledged": _("Acknowledged by the client"),
    "margin.call.part_cured": _("Met in part"),
    "margin.call.amended": _("Amended"),
    "margin.call.disputed": _("Disputed by the client"),
    "margin.call.waived": _("Waived"),
    "margin.call.cancelled": _("Taken back"),
    "margin.call.returned_to_issued": _("Dispute not upheld"),
    "margin.call.returned_to_acknowledged": _("Dispute not upheld"),
    "margin.call.returned_to_part_met": _("Dispute not upheld"),
    "margin.call.returned_to_overdue": _("Dispute not upheld"),
    "margin.notice.written": _("Notice written"),
    "margin.notice.sent": _("Notice sent"),
    "margin.notice.delivered": _("Notice delivered"),
    "margin.notice.failed": _("Notice failed"),
    "margin.notice.acknowledged": _("Notice acknowledged"),
    "margin.notice.escalated": _("Undelivered: the staff was told"),
    "margin.notice.no_channel": _("The client can be reached by no channel"),
    "margin.decision.proposed": _("Decision proposed"),
    "margin.decision.approved": _("Decision approved"),
    "margin.decision.rejected": _("Decision rejected"),
    "margin.call.due_time_moved": _("Due time moved"),
    "margin.sale.planned": _("Plan made"),
    "margin.sale.submitted": _("Submitted for release"),
    "margin.sale.approved": _("Released"),
    "margin.sale.rejected": _("Release rejected"),
    "margin.sale.superseded": _("Plan withdrawn"),
    "margin.sale.blocked": _("Nothing can be sold at present"),
    "margin.sale.started": _("Execution started"),
    "margin.sale.filled": _("Execution ended"),
    "margin.sale.closed": _("Sale closed"),
    "margin.sale.order_created": _("Order made"),
    "margin.sale.sent_order": _("Order sent"),
    "margin.sale.acknowledged_order": _("Order acknowledged"),
    "margin.sale.lost_order": _("Venue did not answer"),
    "margin.sale.cancelled_order": _("Order cancelled"),
    "margin.sale.rejected_order": _("Order rejected by the venue"),
    "margin.sale.contradicted_order": _("The venue contradicts itself"),
    "margin.sale.filled_order": _("Order filled"),
    "margin.sale.part_filled_order": _("Order filled in part"),
    "margin.sale.settled_fill": _("Trade settled"),
    "margin.settlement.settled": _("Settled in full"),
    "margin.settlement.part_settled": _("Settled in part"),
    "margin.settlement.failed": _("Settlement failed"),
    "margin.settlement.penalty": _("Charge for a fail booked"),
    "margin.contract_note.issued": _("Contract note issued"),
    "margin.contract_note.corrected": _("Contract note corrected"),
    "margin.contract_note.handed_over": _("Contract note handed over"),
    "margin.contract_note.late": _("Contract note late"),
    "margin.shortfall.booked": _("Shortfall booked"),
    "margin.client.opened": _("Client opened"),
    "margin.client.va_financing_approved": _("Virtual asset financing approved"),
    "margin.facility.opened": _("Facility opened"),
    "margin.collateral_deposit.booked": _("Collateral deposited"),
    "margin.collateral_withdrawal.booked": _("Collateral withdrawn"),
    "margin.cash_deposit.booked": _("Cash deposited"),
    "margin.cash_withdrawal.booked": _("Cash withdrawn"),
    "margin.drawdown.booked": _("Drawdown booked"),
    "margin.repayment.booked": _("Repayment booked"),
    "margin.broker.opened": _("Broker opened"),
    "margin.broker.went_live": _("Broker went live"),
    "margin.broker.sales_stopped": _("Forced sales stopped"),
    "margin.broker.sales_resumed": _("Forced sales resumed"),
    "margin.stop.put_on": _("Stop put on"),
    "margin.stop.lift_asked": _("Asked for the stop to be lifted"),
    "margin.stop.lifted": _("Stop lifted"),
    "margin.broker.settlements_reported": _("Settlements come from reports"),
    "margin.broker.settlements_on_paper": _("Settlements are on paper"),
}

ORDER_REASONS: Final[dict[str, Any]] = {
    "unknown_symbol": _("The venue does not know the instrument"),
    "venue_closed": _("The venue is closed"),
    "exceeds_order_limit": _("More than one order may hold"),
    "duplicate_order": _("The order id was used before"),
    "wrong_quantity": _("Not a whole number of board lots"),
    "outside_price_band": _("The price is outside the venue's band"),
    "wrong_tick": _("The price is not a tick"),
    "end_of_session": _("Expired at the end of the session"),
    "on_request": _("Taken off on request"),
    "stopped": _("Stopped before it was sent"),
    "other": _("Other"),
}

REASONS: Final[dict[str, Any]] = {
    "haircuts of the next business day": _("Haircuts of the next business day"),
    "no longer expected": _("No longer expected"),
    "the dispute ran out undecided": _("The dispute ran out undecided"),
    "the first amount was met in time": _("The first amount was met in time"),
    "call waived": _("The call was waived"),
    "call cancelled": _("The call was taken back"),
    "severe weather day declared": _("A severe weather day was declared"),
    "immediate level": _("The level of immediate sale"),
    "short again after the sale": _("Short again after the sale"),
    "still short after the sale": _("Still short after the sale"),
    "call met": _("The call was met"),
    "target reached": _("Target reached"),
    "released quantities sold": _("Everything released is sold"),
    "not reported by the end of the settlement day": _("Not reported by the end of the settlement day"),
    "a trade was reported after the note was issued": _("A trade was reported after the note was issued"),
    "not_issued": _("Not issued"),
    "not_given": _("Issued and not given"),
    "nothing left that cures": _("Nothing left that would cure"),
    "the venue takes no order for the rest": _("The venue takes no order for the rest"),
    **ORDER_REASONS,
}

STOPS: Final[dict[str, Any]] = {
    "firm_not_live": _("The firm has not gone live"),
    "facility_closed": _("The facility is closed"),
    "credit_review_overdue": _("The credit review is missing or overdue"),
    "open_call": _("A margin call is open"),
    "under_margined": _("The account is under-margined"),
    "stale_price": _("A price is too old"),
    "not_valued": _("The account cannot be valued"),
    "beyond_effective_limit": _("Beyond the effective limit"),
    "va_financing_not_permitted": _("Not permitted to borrow on virtual assets"),
    "securities_collateral_required": _("Too little securities collateral"),
}

CHANNEL_NAMES: Final[dict[str, Any]] = {
    "phone": _("Telephone"),
    "in_person": _("In person"),
    "email": _("E-mail"),
    "webhook": _("Webhook"),
    "sms": _("SMS"),
    "portal": _("Client portal"),
}

JOURNAL_KINDS: Final[dict[str, Any]] = {
    "collateral_deposit": _("Deposit of collateral"),
    "collateral_withdrawal": _("Withdrawal of collateral"),
    "cash_deposit": _("Deposit of cash"),
    "cash_withdrawal": _("Withdrawal of cash"),
    "drawdown": _("Drawdown"),
    "repayment": _("Repayment"),
    "interest": _("Interest"),
    "interest_to_principal": _("Interest joins the principal"),
    "sale_earmark": _("Put into sale"),
    "sale_earmark_release": _("Taken back from sale"),
    "forced_sale_trade": _("Trade of a forced sale"),
    "forced_sale_settlement": _("Settlement of a forced sale"),
    "interest_given_back": _("Interest given back"),
    "settlement_penalty": _("Charge for a failed settlement"),
    "shortfall": _("Shortfall"),
}

LEG_REASONS: Final[dict[str, Any]] = {
    "least_cost_in_full": _("Cures at the least cost: all of it"),
    "least_cost_in_part": _("Cures at the least cost: as much as is needed"),
    "sell_last": _("The client asked to keep it longest, but the rest does not suffice"),
    "dust_cleared": _("What would remain is too small to be traded"),
    "all_the_market_takes": _("Cures at the least cost: all that the market takes at this time"),
    "all_that_helps": _("All that helps is sold, and it is not enough"),
    "best_recovery": _("Sold for the best recovery of the loan"),
}

EXCLUSIONS: Final[dict[str, Any]] = {
    "not_offered": _("Not offered for sale"),
    "not_tradable": _("Cannot be traded now"),
    "stale_price": _("Its price is too old"),
    "not_listed": _("Suspended or delisted"),
    "stopped": _("Stopped by a kill switch"),
    "below_one_step": _("Less than one board lot"),
    "cannot_cure": _("Selling it would not cure"),
    "costs_more_than_it_brings": _("Dearer than the others"),
}

OUTCOMES: Final[dict[str, Any]] = {
    "cures": _("Reaches the target"),
    "partial_cure": _("Goes part of the way"),
    "insolvent": _("Recovers what it can"),
    "nothing_to_sell": _("Nothing to sell"),
}

FEES: Final[dict[str, Any]] = {**CHARGES, "total": _("Total fees")}


def word(table: dict[str, Any], code: str) -> object:
    """Return the words for a code; a code that has none is shown as it is."""
    return table.get(code, code)
