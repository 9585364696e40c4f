"""How Lombard runs: settings, addresses, Celery, embedded services, demonstration data."""

from deploy.celery import app as celery_app

__all__ = ["celery_app"]
