"""Exchange prices as a file over HTTP: code, price, currency and observed_at, as the upload page takes them."""

from __future__ import annotations

import hashlib
import http.client
import io
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from collateral.price_import import COLUMNS, moment
from collateral.tables import LineError, read_lines
from ledger.core.errors import Invalid, Refusal

from . import Cursor, Delivery, FeedUnavailable, Offer, RefusedLine

TIMEOUT_SECONDS: Final = 10
WHOLE_ANSWER_SECONDS_MAX: Final = 30
BYTES_MAX: Final = 10 * 1024 * 1024
LINES_MAX: Final = 50_000
_PIECE: Final = 64 * 1024


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Credentials and trust belong to the address that was configured and to no other."""

    def redirect_request(self, *_arguments: Any, **_options: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class CsvSource:
    """A file at `url`, asked for with what the source said of its last version."""

    code: str
    url: str
    headers: Mapping[str, str]

    def poll(self, cursor: Cursor, *, now: datetime) -> Delivery:
        """Read the file when it changed; lines that cannot be read are refused one by one.

        Raises FeedUnavailable: no answer in time, a status other than 200 and 304, too large, no header.
        """
        answer = self._get(cursor)
        if answer is None:
            return Delivery(cursor=cursor)
        body, seen = answer
        seen = replace(seen, content_hash=hashlib.sha256(body).hexdigest())
        if seen.content_hash == cursor.content_hash:
            return Delivery(cursor=seen)
        try:
            text = body.decode("utf-8-sig")
            return _read(text, seen)
        except UnicodeDecodeError as error:
            raise FeedUnavailable("the file is no text in UTF-8") from error
        except Refusal as refusal:
            raise FeedUnavailable(refusal.message) from refusal

    def _get(self, cursor: Cursor) -> tuple[bytes, Cursor] | None:
        request = urllib.request.Request(self.url, headers=dict(self.headers))  # noqa: S310  checked at start
        request.add_header("Accept", "text/csv")
        if cursor.etag:
            request.add_header("If-None-Match", cursor.etag)
        if cursor.last_modified:
            request.add_header("If-Modified-Since", cursor.last_modified)
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
                if answer.status != 200:
                    raise FeedUnavailable(f"answered {answer.status}")
                seen = Cursor(
                    etag=answer.headers.get("ETag", "")[:200],
                    last_modified=answer.headers.get("Last-Modified", "")[:100],
                )
                return _bounded(answer), seen
        except urllib.error.HTTPError as error:
            if error.code == 304:
                return None
            raise FeedUnavailable(f"answered {error.code}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FeedUnavailable(f"no answer: {type(error).__name__}") from error


def _bounded(answer: http.client.HTTPResponse) -> bytes:
    """Read an answer that may neither be endless nor dribble in for ever."""
    deadline = time.monotonic() + WHOLE_ANSWER_SECONDS_MAX
    body = bytearray()
    while piece := answer.read1(_PIECE):
        body += piece
        if len(body) > BYTES_MAX:
            raise FeedUnavailable(f"the file is larger than {BYTES_MAX} bytes")
        if time.monotonic() > deadline:
            raise FeedUnavailable(f"the file took longer than {WHOLE_ANSWER_SECONDS_MAX} s")
    promised = answer.headers.get("Content-Length")
    if promised is not None and promised.isdigit() and int(promised) != len(body):
        raise FeedUnavailable("the answer was cut off")
    return bytes(body)


def _read(text: str, seen: Cursor) -> Delivery:
    offers: list[Offer] = []
    refused: list[RefusedLine] = []
    for line, row in read_lines(io.StringIO(text, newline=""), columns=COLUMNS):
        shown = ",".join(row[name] for name in COLUMNS)
        if len(offers) + len(refused) >= LINES_MAX:
            raise FeedUnavailable(f"the file has more than {LINES_MAX} lines")
        try:
            observed_at = moment(row["observed_at"])
            if observed_at.tzinfo is None:
                raise Invalid(_("The time needs a zone."), field="observed_at", code="NO_TIME_ZONE")
        except Refusal as refusal:
            refused.append(RefusedLine(LineError.of(line, refusal), shown))
            continue
        price = row["price"]
        offers.append(Offer(row["code"], price, price, row["currency"], observed_at, line, shown))
    return Delivery(tuple(offers), tuple(refused), seen)
