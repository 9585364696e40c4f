"""The ground floor: what every room of the house stands on.

Exact decimals, the clock, calendars, ids, the event trail (audit and outbox in one), idempotent
commands, four-eyes approval and the model fields that refuse what is not exact. It knows no account,
no price and no loan, and imports nothing of the rooms above it.
"""
