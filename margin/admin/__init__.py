"""The back office of the room: each page tells a story, each figure leads to what it is made of."""

from . import (
    books,
    broker,
    call,
    cap,
    client,
    decision,
    facility,
    loan,
    notice,
    order,
    policy,
    purchase,
    sale,
    stop,
    stress,
    valuation,
)

__all__ = [
    "books",
    "broker",
    "call",
    "cap",
    "client",
    "decision",
    "facility",
    "loan",
    "notice",
    "order",
    "policy",
    "purchase",
    "sale",
    "stop",
    "stress",
    "valuation",
]
