"""The books in the back office: read here, never written but by the services that the buttons call."""

from . import account, consumer, corporate_action, journal, reference, trail

__all__ = ["account", "consumer", "corporate_action", "journal", "reference", "trail"]
