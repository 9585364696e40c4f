from pathlib import Path

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

import ledger.core.fields
from ledger.core.migration_sql import SPLIT, sql_file

LAW = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0016_lean_posting"),
    ]

    operations = [
        migrations.CreateModel(
            name="PeriodBalance",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "change_id",
                        "account_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "change",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="balances",
                        to="ledger.periodchange",
                        verbose_name="closing of periods",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.account",
                        verbose_name="account",
                    ),
                ),
                ("net_atoms", ledger.core.fields.AtomsField(verbose_name="net balance")),
                ("entry_count", models.BigIntegerField(verbose_name="entries")),
            ],
            options={
                "verbose_name": "balance at a closing",
                "verbose_name_plural": "balances at closings",
                "db_table": "ledger_period_balance",
            },
        ),
        migrations.AddIndex(
            model_name="journal",
            index=django.contrib.postgres.indexes.BrinIndex(
                fields=["value_on"], name="ledger_journal_value_on"
            ),
        ),
        # The law of closings names what is made here; its own reverse is that of the migration which first brought it.
        migrations.RunSQL(
            (LAW / "periods.sql").read_text(encoding="utf-8").partition(SPLIT)[0], migrations.RunSQL.noop
        ),
        sql_file(LAW / "period_balances.sql"),
    ]
