"""Every periodic job of the rooms has its place in the schedule."""

from __future__ import annotations

from django.conf import settings

from deploy.celery import app

ROOMS = ("ledger.", "collateral.", "margin.")
# Sent by a scheduled job, one for each row it found.
HANDED_ON = {"collateral.tasks.poll_feed"}


def test_every_job_is_scheduled_and_nothing_else():
    app.loader.import_default_modules()
    jobs = {name for name in app.tasks if name.startswith(ROOMS)}
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} == jobs - HANDED_ON
