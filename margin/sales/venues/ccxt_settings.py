"""Which trading venue stands behind a venue code, and the keys to it; both come from the environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from collateral.feeds.configuration import check_address

# Venues that find an order by the id that we gave it; without that a lost reply could not be told from a lost order.
FINDS_BY_OUR_ID: Final = frozenset({"hashkey", "okx"})
_KEYS: Final = frozenset({"venue", "symbols", "url"})
_CREDENTIALS: Final = frozenset({"apiKey", "secret", "password"})


@dataclass(frozen=True, slots=True)
class CcxtSettings:
    """A `venue` of ccxt with its `symbols` by instrument; `url` replaces the address that ccxt knows."""

    venue: str
    symbols: Mapping[str, str]
    url: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


def ccxt_settings(code: str) -> CcxtSettings:
    """Return what `LOMBARD_CCXT_VENUES` says of a venue code; ImproperlyConfigured names what is wrong."""
    name = f"LOMBARD_CCXT_VENUES {code}"
    given = settings.LOMBARD_CCXT_VENUES.get(code)
    if not isinstance(given, Mapping) or set(given) - _KEYS:
        raise ImproperlyConfigured(f"{name}: an object of {', '.join(sorted(_KEYS))}")
    venue, symbols, url = given.get("venue"), given.get("symbols"), given.get("url", "")
    if venue not in FINDS_BY_OUR_ID:
        raise ImproperlyConfigured(f"{name}: venue is one of {', '.join(sorted(FINDS_BY_OUR_ID))}")
    if (
        not isinstance(symbols, Mapping)
        or not symbols
        or not all(isinstance(s, str) for s in symbols.values())
    ):
        raise ImproperlyConfigured(f'{name}: symbols such as {{"BTC": "BTC/USD"}}')
    if url:
        check_address(url, name=name)
    credentials = settings.LOMBARD_CCXT_CREDENTIALS.get(code)
    if not isinstance(credentials, Mapping) or not credentials or set(credentials) - _CREDENTIALS:
        raise ImproperlyConfigured(f"LOMBARD_CCXT_CREDENTIALS {code}: {', '.join(sorted(_CREDENTIALS))}")
    return CcxtSettings(venue, symbols, url, credentials)


def check_configuration(**_options: Any) -> Iterable[CheckMessage]:
    """The check of `manage.py check`: orders go nowhere by a configuration that cannot be read."""
    found = []
    for code in settings.LOMBARD_CCXT_VENUES:
        try:
            ccxt_settings(code)
        except ImproperlyConfigured as error:
            found.append(Error(str(error), id="margin.E001"))
    return found
