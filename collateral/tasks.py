"""The clock's way in: what the room does without being asked."""

from __future__ import annotations

from celery import shared_task

from .feeds.polling import due_feeds
from .feeds.polling import poll_feed as poll
from .price_alerts import flag_stale_prices as flag


@shared_task
def flag_stale_prices() -> None:
    """Tell which prices turned stale or fresh; due every minute, may run twice."""
    flag()


@shared_task
def poll_feeds() -> None:
    """Hand each source that is due to a worker of its own, so that a slow one holds up no other."""
    for code in due_feeds():
        poll_feed.delay(code)


@shared_task
def poll_feed(code: str) -> None:
    """Poll one source; a second delivery of the message finds it polled already."""
    poll(code)
