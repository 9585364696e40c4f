"""Fields whose rules are said by the room's services, so that every door answers in the same words."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.core.clock import HONG_KONG

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})\Z",
    re.ASCII,
)


@extend_schema_field({"type": "string", "format": "date-time"})
class MomentField(serializers.Field):
    """A time with its zone, such as `"2026-03-07T02:59:30+08:00"`; shown in Hong Kong time."""

    default_error_messages = {"not_a_time": _("Give a time with its zone, as 2026-03-07T02:59:30+08:00.")}

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str) or not _MOMENT.match(data):
            self.fail("not_a_time")
        try:
            return datetime.fromisoformat(data)
        except ValueError:
            self.fail("not_a_time")

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(HONG_KONG).isoformat()
