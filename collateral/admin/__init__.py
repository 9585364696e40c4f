"""The market in the back office: what can be pledged, what it costs, what share of it is lent against."""

from . import capital, eligibility, feed, haircut, instrument, policy, price, rate

__all__ = ["capital", "eligibility", "feed", "haircut", "instrument", "policy", "price", "rate"]
