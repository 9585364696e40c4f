"""The market in the back office: what can be pledged, what it costs, what share of it is lent against."""

from . import capital, haircut, instrument, policy, price, rate

__all__ = ["capital", "haircut", "instrument", "policy", "price", "rate"]
