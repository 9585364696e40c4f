"""The books in the back office: read here, never written but by the services that the buttons call."""

from . import (
    account,
    block,
    consumer,
    corporate_action,
    hold,
    journal,
    limit,
    period,
    reference,
    trail,
    weather,
)

__all__ = [
    "account",
    "block",
    "consumer",
    "corporate_action",
    "hold",
    "journal",
    "limit",
    "period",
    "reference",
    "trail",
    "weather",
]
