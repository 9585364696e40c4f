from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

from ledger.core.migration_sql import sql_file

LAW = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0009_entitlement_pending"),
    ]

    operations = [
        migrations.CreateModel(
            name="BlockLeaves",
            fields=[
                (
                    "block",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="ledger.block",
                        verbose_name="block",
                    ),
                ),
                (
                    "leaves",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BinaryField(), size=None, verbose_name="hashes of the journals"
                    ),
                ),
            ],
            options={
                "verbose_name": "hashes of a block",
                "verbose_name_plural": "hashes of blocks",
                "db_table": "ledger_block_leaves",
            },
        ),
        sql_file(LAW / "block_leaves.sql"),
        sql_file(LAW / "seal.sql"),
    ]
