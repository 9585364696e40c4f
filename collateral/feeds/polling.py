"""Asking the sources in turn: each on its own, as often as it was configured, less often while it fails.

A poll is claimed in one commit, asks outside of any transaction, and takes in what came in another. Whoever
was killed half-way left a claim that runs out; taking in the same twice changes nothing.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from collateral.models import FeedRefusal, PriceFeed
from ledger.core import clock
from ledger.core.errors import Conflict, Invalid
from ledger.core.events import SYSTEM, record_event

from . import Cursor, Delivery, FeedUnavailable, RefusedLine, Source
from .configuration import FeedConfiguration, configured_feeds
from .taking import take_offers

logger = logging.getLogger(__name__)

# Longer than a poll may last: two requests of each symbol, or one file.
CLAIM: Final = timedelta(seconds=90)
BACKOFF_MAX: Final = timedelta(seconds=120)

_sources: dict[str, tuple[FeedConfiguration, Source]] = {}


@dataclass(frozen=True, slots=True)
class Poll:
    """What became of a poll: rows taken in, lines refused, or why there was no answer."""

    code: str
    taken: int = 0
    refused: int = 0
    error: str = ""


def due_feeds() -> list[str]:
    """Return the configured feeds that are due, in order; new ones get their row here."""
    configured = configured_feeds()
    if not configured:
        return []
    known = dict(PriceFeed.objects.filter(code__in=configured).values_list("code", "kind"))
    for code, one in configured.items():
        if known.get(code) != one.kind:
            PriceFeed.objects.update_or_create(code=code, defaults={"kind": one.kind})
    due = PriceFeed.objects.filter(_is_due(), code__in=configured, is_paused=False)
    return list(due.order_by("code").values_list("code", flat=True))


def poll_feed(code: str, *, actor: str = SYSTEM) -> Poll | None:
    """Poll one feed when it is due; None when it is not, is paused, unknown, or somebody else polls it.

    A source that fails is recorded with its error and asked again after twice the time, at most two minutes
    or its own interval.
    """
    configuration = configured_feeds().get(code)
    claimed = _claim(code) if configuration else None
    if configuration is None or claimed is None:
        return None
    cursor = Cursor(claimed.etag, claimed.last_modified, claimed.content_hash)
    try:
        delivery = _source(configuration).poll(cursor, now=clock.now())
    except FeedUnavailable as error:
        return _failed(claimed, configuration, str(error), actor=actor)
    except Exception as error:
        logger.exception("feed_failed", extra={"feed": code})
        return _failed(claimed, configuration, type(error).__name__, actor=actor)
    return _take_in(claimed, configuration, delivery, actor=actor)


@transaction.atomic
def set_feed_paused(*, feed: PriceFeed, is_paused: bool, reason: str, actor: str) -> PriceFeed:
    """Stop asking a source, or ask it again, with a reason that is kept.

    Raises Invalid (`reason_required`) and Conflict (`wrong_state`).
    """
    if not reason.strip():
        raise Invalid(_("Say why."), field="reason", code="reason_required")
    locked = PriceFeed.objects.select_for_update(no_key=True).get(pk=feed.pk)
    if locked.is_paused == is_paused:
        raise Conflict(_("The feed stands that way already."), code="wrong_state")
    locked.is_paused, locked.next_poll_at = is_paused, None
    locked.save(update_fields=["is_paused", "next_poll_at"])
    topic = "collateral.feed.paused" if is_paused else "collateral.feed.resumed"
    record_event(topic, locked, actor=actor, reason=reason, feed=locked.code)
    return locked


def _is_due() -> Q:
    return Q(next_poll_at__isnull=True) | Q(next_poll_at__lte=clock.now())


@transaction.atomic
def _claim(code: str) -> PriceFeed | None:
    feed = (
        PriceFeed.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(_is_due(), code=code, is_paused=False)
        .first()
    )
    if feed is None:
        return None
    feed.claim, feed.next_poll_at, feed.last_polled_at = uuid.uuid4(), clock.now() + CLAIM, clock.now()
    feed.save(update_fields=["claim", "next_poll_at", "last_polled_at"])
    return feed


def _source(configuration: FeedConfiguration) -> Source:
    """The source of a process: a venue's markets are learnt once."""
    kept = _sources.get(configuration.code)
    if kept is None or kept[0] != configuration:
        kept = _sources[configuration.code] = configuration, configuration.source()
    return kept[1]


def _held(claimed: PriceFeed) -> PriceFeed | None:
    """Lock the feed while the claim is still ours."""
    return PriceFeed.objects.select_for_update(no_key=True).filter(pk=claimed.pk, claim=claimed.claim).first()


@transaction.atomic
def _failed(claimed: PriceFeed, configuration: FeedConfiguration, error: str, *, actor: str) -> Poll:
    feed = _held(claimed)
    if feed is not None:
        feed.failures += 1
        feed.last_error, feed.last_error_at, feed.claim = error[:200], clock.now(), None
        pause = timedelta(seconds=configuration.every_seconds) * 2 ** min(feed.failures, 8)
        feed.next_poll_at = clock.now() + max(
            min(pause, BACKOFF_MAX), timedelta(seconds=configuration.every_seconds)
        )
        feed.save()
        if feed.failures == 1:
            record_event("collateral.feed.failed", feed, actor=actor, feed=feed.code, error=feed.last_error)
    return Poll(claimed.code, error=error)


@transaction.atomic
def _take_in(claimed: PriceFeed, configuration: FeedConfiguration, delivery: Delivery, *, actor: str) -> Poll:
    feed = _held(claimed)
    if feed is None:
        return Poll(claimed.code, error="another poll took over")
    taken, refused = take_offers(delivery.offers, source=feed.code, actor=actor)
    refused = sorted((*delivery.refused, *refused), key=lambda one: one.error.line)
    _keep(feed, refused)
    if feed.failures:
        record_event("collateral.feed.recovered", feed, actor=actor, feed=feed.code, failures=feed.failures)
    if delivery.offers or delivery.refused:
        feed.taken, feed.refused = taken, len(refused)
    feed.failures, feed.last_success_at, feed.claim = 0, clock.now(), None
    feed.next_poll_at = clock.now() + timedelta(seconds=configuration.every_seconds)
    feed.etag, feed.last_modified = delivery.cursor.etag, delivery.cursor.last_modified
    feed.content_hash = delivery.cursor.content_hash
    feed.save()
    return Poll(feed.code, taken, len(refused))


def _keep(feed: PriceFeed, refused: Sequence[RefusedLine]) -> None:
    FeedRefusal.objects.bulk_create(
        FeedRefusal(
            feed=feed,
            received_at=clock.now(),
            line=one.error.line,
            text=one.text[:200].replace("\0", ""),
            code=one.error.code,
            reason=one.error.message[:300],
        )
        for one in refused
    )
