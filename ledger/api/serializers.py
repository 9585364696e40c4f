"""How the book is shown: quantities in units of the asset, as strings."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.balances import available_atoms, held_atoms, natural
from ledger.core.api.fields import DECIMAL_SCHEMA
from ledger.core.decimals import plain
from ledger.models import Account, Asset, Balance, Entry, Journal, Role

OWNER_HELP = _("Client number; empty for the house.")
LOCATION_HELP = _("Where it lies; empty for money.")


class AccountSerializer(serializers.ModelSerializer[Account]):
    client = serializers.CharField(source="owner", help_text=OWNER_HELP)
    asset = serializers.CharField(source="asset.code")
    asset_kind = serializers.ChoiceField(source="asset.kind", choices=Asset.Kind.choices)
    location = serializers.CharField(source="location.code", default="", help_text=LOCATION_HELP)

    class Meta:
        model = Account
        fields = ["id", "client", "role", "asset", "asset_kind", "location", "freeze", "closed_at"]


class BalanceSerializer(serializers.ModelSerializer[Balance]):
    account = serializers.IntegerField(source="account_id")
    client = serializers.CharField(source="account.owner", help_text=OWNER_HELP)
    role = serializers.ChoiceField(source="account.role", choices=Role.choices)
    asset = serializers.CharField(source="account.asset.code")
    asset_kind = serializers.ChoiceField(source="account.asset.kind", choices=Asset.Kind.choices)
    location = serializers.CharField(source="account.location.code", default="", help_text=LOCATION_HELP)
    quantity = serializers.SerializerMethodField(
        help_text=_("Units of the asset, positive on the account's normal side.")
    )
    held = serializers.SerializerMethodField(
        help_text=_("Units of it that active holds have reserved now; none with `as_of`.")
    )
    available = serializers.SerializerMethodField(
        help_text=_("Units that are there and not held; none with `as_of`.")
    )

    class Meta:
        model = Balance
        fields = [
            "account",
            "client",
            "role",
            "asset",
            "asset_kind",
            "location",
            "quantity",
            "held",
            "available",
            "version",
        ]

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_quantity(self, balance: Balance) -> str:
        account = balance.account
        return plain(natural(account.role, account.asset.units(balance.net_atoms)))

    @extend_schema_field({**DECIMAL_SCHEMA, "nullable": True})
    def get_held(self, balance: Balance) -> str | None:
        account = balance.account
        atoms = held_atoms(account, balance)
        return None if atoms is None else plain(account.asset.units(atoms))

    @extend_schema_field({**DECIMAL_SCHEMA, "nullable": True})
    def get_available(self, balance: Balance) -> str | None:
        account = balance.account
        if held_atoms(account, balance) is None:
            return None
        return plain(account.asset.units(available_atoms(account, balance)))


class EntrySerializer(serializers.ModelSerializer[Entry]):
    journal = serializers.UUIDField(source="journal_id")
    account = serializers.IntegerField(source="account_id")
    client = serializers.CharField(source="account.owner", help_text=OWNER_HELP)
    role = serializers.ChoiceField(source="account.role", choices=Role.choices)
    asset = serializers.CharField(source="account.asset.code")
    location = serializers.CharField(source="account.location.code", default="", help_text=LOCATION_HELP)
    amount = serializers.SerializerMethodField(help_text=_("Units of the asset, debit positive."))
    balance_after = serializers.SerializerMethodField(help_text=_("Units of the asset, debit positive."))

    class Meta:
        model = Entry
        fields = [
            "id",
            "journal",
            "account",
            "client",
            "role",
            "asset",
            "location",
            "amount",
            "balance_after",
            "version",
        ]

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_amount(self, entry: Entry) -> str:
        return plain(entry.account.asset.units(entry.amount_atoms))

    @extend_schema_field(DECIMAL_SCHEMA)
    def get_balance_after(self, entry: Entry) -> str:
        return plain(entry.account.asset.units(entry.balance_atoms))


class JournalSerializer(serializers.ModelSerializer[Journal]):
    class Meta:
        model = Journal
        fields = [
            "id",
            "kind",
            "value_on",
            "booked_at",
            "actor",
            "cause",
            "narrative",
            "entry_count",
            "reversal_of",
            "hold",
        ]


class JournalDetailSerializer(JournalSerializer):
    entries = EntrySerializer(many=True)

    class Meta(JournalSerializer.Meta):
        fields = [*JournalSerializer.Meta.fields, "entries"]
