"""The Celery application; its options are the `CELERY_*` settings, its schedule `CELERY_BEAT_SCHEDULE`."""

import os

from celery import Celery
from celery.signals import worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")

app = Celery("lombard")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["ledger", "collateral", "margin"])


@worker_process_init.connect
def use_exact_decimals(**_signal: object) -> None:
    """A forked pool process computes in the thread it was forked with, so its context is set again."""
    from ledger.core import decimals

    decimals.install()
