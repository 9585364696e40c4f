"""The clock's way in: what the room does without being asked."""

from __future__ import annotations

from celery import shared_task

from .price_alerts import flag_stale_prices as flag


@shared_task
def flag_stale_prices() -> None:
    """Tell which prices turned stale or fresh; due every minute, may run twice."""
    flag()
