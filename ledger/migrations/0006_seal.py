from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

import ledger.core.fields
import ledger.core.models.event
from ledger.core.migration_sql import sql_file

LAW = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0005_partitions"),
    ]

    operations = [
        migrations.CreateModel(
            name="BalanceDay",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id",
                        "value_on",
                        "block",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("value_on", models.DateField(verbose_name="value date")),
                ("block", models.BigIntegerField(verbose_name="block")),
                ("delta_atoms", ledger.core.fields.AtomsField(verbose_name="added")),
                ("total_atoms", ledger.core.fields.AtomsField(verbose_name="total of the value date")),
                ("entry_count", models.BigIntegerField(verbose_name="entries")),
                (
                    "known_entries",
                    models.BigIntegerField(verbose_name="entries of the account known by then"),
                ),
                ("first_version", models.BigIntegerField(verbose_name="first version")),
                ("last_version", models.BigIntegerField(verbose_name="last version")),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="ledger.account",
                        verbose_name="account",
                    ),
                ),
            ],
            options={
                "verbose_name": "balance of a value date",
                "verbose_name_plural": "balances of value dates",
                "db_table": "ledger_balance_day",
                "indexes": [
                    models.Index(
                        fields=["account", "block", "known_entries"], name="ledger_balance_day_known"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Block",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.BigIntegerField(verbose_name="number")),
                (
                    "from_transaction",
                    ledger.core.models.event.TransactionId(verbose_name="from transaction"),
                ),
                ("to_transaction", ledger.core.models.event.TransactionId(verbose_name="to transaction")),
                ("journal_count", models.BigIntegerField(verbose_name="journals")),
                ("entry_count", models.BigIntegerField(verbose_name="entries")),
                ("merkle_root", models.BinaryField(verbose_name="Merkle root")),
                ("previous_hash", models.BinaryField(verbose_name="hash of the block before")),
                ("hash", models.BinaryField(verbose_name="hash")),
                ("sealed_at", models.DateTimeField(verbose_name="sealed at")),
                (
                    "transaction",
                    ledger.core.models.event.TransactionId(
                        db_default=ledger.core.models.event.CurrentTransactionId(), editable=False
                    ),
                ),
                (
                    "book",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="ledger.book",
                        verbose_name="book",
                    ),
                ),
            ],
            options={
                "verbose_name": "block",
                "verbose_name_plural": "blocks",
                "indexes": [
                    models.Index(fields=["book", "to_transaction"], name="ledger_block_of_journal"),
                    models.Index(fields=["to_transaction"], name="ledger_block_end"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("book", "number"), name="ledger_block_number_once"),
                    models.CheckConstraint(
                        condition=models.Q(("entry_count__gte", 2), ("journal_count__gte", 1)),
                        name="ledger_block_has_journals",
                    ),
                ],
            },
        ),
        sql_file(LAW / "seal.sql"),
        sql_file(LAW / "as_of.sql"),
    ]
