from pathlib import Path

from django.db import migrations, models

import ledger.core.models.event
from ledger.core.migration_sql import sql_file

LAW = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0011_open_accounts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Consumer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80, unique=True, verbose_name="name")),
                (
                    "transaction",
                    ledger.core.models.event.TransactionId(default=0, verbose_name="transaction"),
                ),
                ("place", models.CharField(blank=True, max_length=40, verbose_name="place")),
                ("consumed_count", models.BigIntegerField(default=0, verbose_name="consumed")),
                ("updated_at", models.DateTimeField(verbose_name="updated at")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="failed attempts")),
                ("last_error", models.TextField(blank=True, verbose_name="last error")),
                ("retry_at", models.DateTimeField(blank=True, null=True, verbose_name="retry at")),
            ],
            options={
                "verbose_name": "consumer of the outbox",
                "verbose_name_plural": "consumers of the outbox",
            },
        ),
        sql_file(LAW / "consumer.sql"),
    ]
