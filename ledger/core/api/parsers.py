"""JSON as it was meant: one value per name, no constants that are not JSON, and a bounded size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, ClassVar, Final

from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

BODY_BYTES_MAX: Final = 1_048_576


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"


class StrictJSONParser(BaseParser):
    """Parse a JSON body of at most `body_bytes_max` bytes, one mebibyte unless a view has need of more.

    A name that is given twice is refused, because two readers of such a body may not agree on its value.
    """

    media_type = "application/json"
    body_bytes_max: ClassVar[int] = BODY_BYTES_MAX

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        raw = stream.read(self.body_bytes_max + 1)
        if len(raw) > self.body_bytes_max:
            raise BodyTooLarge(_("A body has at most %(most)s bytes.") % {"most": self.body_bytes_max})
        try:
            return json.loads(
                raw.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_without_duplicates
            )
        except (ValueError, RecursionError) as error:
            raise ParseError(_("The body is not well-formed JSON: %(error)s.") % {"error": error}) from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _value in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} is given twice")
    return result
