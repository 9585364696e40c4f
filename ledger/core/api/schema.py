"""The shape of the published schema: errors on every operation, keys on every command, exact numbers."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_serializer
from rest_framework import serializers

from .fields import DECIMAL_SCHEMA, StrictDecimalField
from .idempotent import KEY_HEADER, KEY_PATTERN, REPLAYED_HEADER
from .problems import PROBLEM_JSON

_READ_PROBLEMS: Final = (401, 403, 404, 422)
_COMMAND_PROBLEMS: Final = (400, 401, 403, 404, 409, 415, 422)


class FieldErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(
        allow_blank=True, help_text=_("Dotted path into the body, or the query parameter.")
    )
    code = serializers.CharField(help_text=_("The broken rule; stable."))
    detail = serializers.CharField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A surplus decimal",
            response_only=True,
            status_codes=["422"],
            value={
                "type": "urn:lombard:problem:invalid",
                "title": "Invalid",
                "status": 422,
                "detail": "The values of these fields are refused: amount.",
                "code": "invalid",
                "errors": [
                    {
                        "field": "amount",
                        "code": "surplus_decimals",
                        "detail": "No more than 2 decimal places.",
                    }
                ],
                "details": {},
                "instance": "/api/v1/clients/C001/cash-deposits",
                "request_id": "req_0197f2c8a5d47c3e9a1b2c3d4e5f6071",
            },
        )
    ]
)
class ProblemSerializer(serializers.Serializer[Any]):
    """An error (RFC 9457). `code` is stable and meant for machines, `detail` for people."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = FieldErrorSerializer(many=True)  # type: ignore[assignment]
    details = serializers.DictField(help_text=_("Values that belong to the code."))
    instance = serializers.CharField(help_text=_("The address that was called."))
    request_id = serializers.CharField(help_text=_("Quote this to the firm's operator."))


class StrictDecimalExtension(OpenApiSerializerFieldExtension):
    target_class = StrictDecimalField
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return (
            {**DECIMAL_SCHEMA, "pattern": self.target.pattern} if direction == "request" else DECIMAL_SCHEMA
        )


class StrictDateExtension(OpenApiSerializerFieldExtension):
    target_class = "ledger.core.api.fields.StrictDateField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "format": "date"}


class StrictMomentExtension(OpenApiSerializerFieldExtension):
    target_class = "ledger.core.api.fields.StrictMomentField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


class HouseSchema(AutoSchema):
    """Adds to every operation what the views do without being told."""

    @property
    def _has_body(self) -> bool:
        return self.method == "POST"

    @property
    def _is_command(self) -> bool:
        return self._has_body and not getattr(self.view, "is_question", False)

    def get_override_parameters(self) -> list[Any]:
        parameters = list(super().get_override_parameters())
        if self._is_command:
            parameters += [
                OpenApiParameter(
                    KEY_HEADER,
                    type={"type": "string", "pattern": KEY_PATTERN, "maxLength": 255},
                    location=OpenApiParameter.HEADER,
                    required=True,
                    description=str(_("Chosen by you; the command has its effect once per key.")),
                ),
                OpenApiParameter(
                    REPLAYED_HEADER,
                    type=str,
                    location=OpenApiParameter.HEADER,
                    response=[200, 201],
                    description=str(_("`true` when the effect was had by an earlier call.")),
                ),
                OpenApiParameter(
                    "Retry-After",
                    type=int,
                    location=OpenApiParameter.HEADER,
                    response=[409],
                    description=str(_("Seconds to wait while the first call is in flight.")),
                ),
            ]
        return parameters

    def get_summary(self) -> str:
        """The name of the operation in words, `listMarginCalls` as "List margin calls"."""
        return re.sub(r"(?<!^)([A-Z])", r" \1", self.get_operation_id()).capitalize()

    def get_request_serializer(self) -> Any:
        if self._has_body:
            return getattr(self.view, "command_serializer_class", None)
        return super().get_request_serializer()

    def get_response_serializers(self) -> Any:
        if self._is_command:
            view: Any = self.view
            return {int(view.success_status): view.reply_serializer_class or view.serializer_class}
        if self._has_body:
            asking: Any = self.view
            return {int(asking.success_status): asking.serializer_class}
        return super().get_response_serializers()

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        """A list says how many it takes."""
        schema = super()._map_serializer_field(field, direction, bypass_extensions)
        most = getattr(field, "max_length", None)
        if isinstance(field, serializers.ListSerializer) and schema and most:
            return {**schema, "minItems": getattr(field, "min_length", None) or 0, "maxItems": most}
        return schema

    def _is_list_view(self, serializer: Any = None) -> bool:
        return self.method == "GET" and getattr(self.view, "pagination_class", None) is not None

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        responses = super()._get_response_bodies(direction)
        for code in _COMMAND_PROBLEMS if self._has_body else _READ_PROBLEMS:
            problem = self._get_response_for_code(
                ProblemSerializer, str(code), media_types=[PROBLEM_JSON], direction=direction
            )
            responses[str(code)] = {**problem, "description": HTTPStatus(code).phrase}
        return responses
