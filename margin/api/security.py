"""How the published schema says who may call.

Apart from the authentication itself, which the framework loads before it can load this.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "margin.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of the firm, `lk_<prefix>_<secret>`; it sees that firm only.",
        }


class StaffSessionScheme(SessionScheme):
    target_class = "margin.api.authentication.StaffSessionAuthentication"
    name = "staffSession"
