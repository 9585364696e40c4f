"""The books in the back office: read here, never written; the two buttons call services of the room."""

from . import account, journal, reference, trail

__all__ = ["account", "journal", "reference", "trail"]
