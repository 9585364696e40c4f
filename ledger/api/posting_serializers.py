"""How the outcome of a posting is shown."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.balances import Standing
from ledger.core.api import problems
from ledger.core.api.fields import DECIMAL_SCHEMA
from ledger.core.api.schema import FieldErrorSerializer
from ledger.core.decimals import plain
from ledger.models import Role
from ledger.preview import Mode

from .serializers import LOCATION_HELP, OWNER_HELP


class ItemProblemSerializer(serializers.Serializer[Any]):
    """Why one journal was refused, in the words a problem has."""

    code = serializers.CharField()
    detail = serializers.CharField()
    errors = FieldErrorSerializer(many=True)  # type: ignore[assignment]
    details = serializers.DictField()


class ItemResultSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(help_text=_("As it was given."))
    is_refused = serializers.BooleanField()
    is_replay = serializers.BooleanField(
        help_text=_("An earlier call, or journal of this batch, had this effect.")
    )
    journal = serializers.UUIDField(allow_null=True)
    problem = ItemProblemSerializer(allow_null=True)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Written out, because there may be thousands of them."""
        outlook = instance.outlook
        return {
            "key": instance.key,
            "is_refused": outlook.refusal is not None,
            "is_replay": outlook.is_replay,
            "journal": str(outlook.journal_id) if outlook.journal_id else None,
            "problem": _problem(outlook.refusal) if outlook.refusal else None,
        }


def _problem(refusal: Any) -> dict[str, Any]:
    told = problems.of_refusal(refusal)
    return {name: told[name] for name in ("code", "detail", "errors", "details")}


class BatchResultSerializer(serializers.Serializer[Any]):
    mode = serializers.ChoiceField(choices=[(mode.value, mode.value) for mode in Mode])
    results = ItemResultSerializer(many=True, help_text=_("One for each journal, in order."))


class ProspectSerializer(serializers.Serializer[Standing]):
    """What would stand on an account, on its normal side; a house account's slots are added up."""

    client = serializers.CharField(source="key.owner", help_text=OWNER_HELP)
    role = serializers.ChoiceField(source="key.role", choices=Role.choices)
    asset = serializers.CharField(source="key.asset")
    location = serializers.CharField(source="key.location", help_text=LOCATION_HELP)
    quantity = serializers.SerializerMethodField()
    held = serializers.SerializerMethodField(help_text=_("What holds have reserved of it."))
    available = serializers.SerializerMethodField()

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_quantity(self, standing: Standing) -> str:
        return plain(standing.quantity)

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_held(self, standing: Standing) -> str:
        return plain(standing.held)

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_available(self, standing: Standing) -> str:
        return plain(standing.available)


class PostingPreviewSerializer(BatchResultSerializer):
    """The journals of what would be new have no id yet."""

    accounts = ProspectSerializer(many=True)


class LimitsSerializer(serializers.Serializer[Any]):
    journals_per_batch = serializers.IntegerField()
    entries_per_journal = serializers.IntegerField()
    body_bytes = serializers.IntegerField()
    batch_body_bytes = serializers.IntegerField()
