"""ccxt without its floats: numbers stay the text that the venue sent, in prices, orders and market rules.

ccxt reads JSON numbers as floats and computes in the thread's decimal context, which it also changes. Here
fractions in an answer are kept as text, unified fields are text, and every call runs in a context of its own.
It is an extra (`pip install lombard[feeds]`), loaded when a venue is first asked.
"""

from __future__ import annotations

import decimal
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from django.core.exceptions import ImproperlyConfigured

TIMEOUT_MILLISECONDS: Final = 10_000
Answer = TypeVar("Answer")


def open_venue(venue: str, *, url: str = "", credentials: Mapping[str, str] | None = None) -> Any:
    """Return ccxt's client of a venue; `url` replaces every address it knows.

    Raises ImproperlyConfigured when ccxt is not installed or does not know the venue.
    """
    try:
        import ccxt
    except ImportError as error:
        raise ImproperlyConfigured("venues need the extra: pip install lombard[feeds]") from error
    if venue not in ccxt.exchanges:
        raise ImproperlyConfigured(f"ccxt knows no venue {venue}")
    client = getattr(ccxt, venue)(
        {"enableRateLimit": True, "timeout": TIMEOUT_MILLISECONDS, **(credentials or {})}
    )
    client.number = str
    client.on_json_response = functools.partial(json.loads, parse_float=str)
    # Proxies of the environment are for other programs: prices come from the address that was configured.
    client.session.trust_env = False
    # What a coin is called in other countries, and the fees of this account, are nobody's business here.
    client.has["fetchCurrencies"] = False
    # A firm that lends against coins asks for spot markets only; some venues list thousands of contracts beside.
    if "types" in (client.options.get("fetchMarkets") or {}):
        client.options["fetchMarkets"]["types"] = ["spot"]
    if url:
        client.urls["api"] = _everywhere(client.urls["api"], url.rstrip("/"))
    return client


def ask(call: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
    """Call a method of ccxt in a decimal context of its own; it raises ccxt's errors."""
    with decimal.localcontext(decimal.Context(prec=40, traps=[])):
        return call(*arguments, **options)


def _everywhere(known: Any, url: str) -> Any:
    if isinstance(known, Mapping):
        return {name: _everywhere(one, url) for name, one in known.items()}
    return url
