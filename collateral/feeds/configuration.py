"""The sources that the settings name, read strictly: a feed that is misspelt must not be a feed that is silent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from collateral.checks import MEDIAN

from . import Source

SECONDS: Final = 15
SECONDS_MIN: Final = 5
SECONDS_MAX: Final = 86_400
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z", re.ASCII)
_KEYS: Final = {
    "csv": frozenset({"kind", "url", "headers", "every_seconds"}),
    "ccxt": frozenset({"kind", "venue", "symbols", "url", "every_seconds"}),
}


@dataclass(frozen=True, slots=True)
class FeedConfiguration:
    """One source: `url` of a file, or the `venue` of ccxt with its symbol of each instrument.

    A venue's `url` replaces the address that ccxt knows, for a proxy of the firm.
    """

    code: str
    kind: str
    every_seconds: int = SECONDS
    url: str = ""
    venue: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)

    def source(self) -> Source:
        """Return what is polled."""
        from .csv_source import CsvSource
        from .venue_source import VenueSource

        if self.kind == "csv":
            return CsvSource(self.code, self.url, headers=self.headers)
        return VenueSource(self.code, self.venue, self.symbols, url=self.url)


def configured_feeds() -> dict[str, FeedConfiguration]:
    """Return the sources of `LOMBARD_PRICE_FEEDS` by code; ImproperlyConfigured names what is wrong with one."""
    given = settings.LOMBARD_PRICE_FEEDS
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured("LOMBARD_PRICE_FEEDS is no JSON object of feeds by code")
    return {code: _read(code, one) for code, one in given.items()}


def check_configuration(**_options: Any) -> Iterable[CheckMessage]:
    """The check of `manage.py check`: a configuration that cannot be read stops the start."""
    try:
        configured_feeds()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="collateral.E001")]
    return []


def check_address(url: str, *, name: str) -> None:
    """Refuse an address that is neither encrypted nor on this machine: prices decide who is sold out."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
    if not is_local and not (parts.scheme == "https" and parts.hostname):
        raise ImproperlyConfigured(f"{name}: the url must be https")


def _read(code: str, given: Any) -> FeedConfiguration:
    name = f"LOMBARD_PRICE_FEEDS {code}"
    if not _CODE.match(code) or code == MEDIAN:
        raise ImproperlyConfigured(
            f"{name}: a code has small letters, digits and hyphens, and is not {MEDIAN}"
        )
    kind = given.get("kind") if isinstance(given, Mapping) else None
    if kind not in _KEYS:
        raise ImproperlyConfigured(f"{name}: kind is csv or ccxt")
    if unknown := sorted(set(given) - _KEYS[kind]):
        raise ImproperlyConfigured(f"{name}: unknown {', '.join(unknown)}")
    every = given.get("every_seconds", SECONDS)
    if isinstance(every, bool) or not isinstance(every, int) or not SECONDS_MIN <= every <= SECONDS_MAX:
        raise ImproperlyConfigured(f"{name}: every_seconds is from {SECONDS_MIN} to {SECONDS_MAX}")
    url = given.get("url", "")
    if url or kind == "csv":
        check_address(url, name=name)
    symbols, headers = given.get("symbols", {}), given.get("headers", {})
    if not (_is_text_map(symbols) and _is_text_map(headers)):
        raise ImproperlyConfigured(f"{name}: symbols and headers are objects of text")
    venue = given.get("venue", "")
    if kind == "ccxt" and not (isinstance(venue, str) and _CODE.match(venue) and symbols):
        raise ImproperlyConfigured(f'{name}: name the venue, and symbols such as {{"BTC": "BTC/USD"}}')
    return FeedConfiguration(code, kind, every, url, venue, headers, symbols)


def _is_text_map(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values())
