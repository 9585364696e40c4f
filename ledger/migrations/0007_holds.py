from pathlib import Path

from django.db import migrations, models

from ledger.core.migration_sql import sql_file

LAW = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0006_seal"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="hold",
            name="ledger_hold_key_once",
        ),
        migrations.AddField(
            model_name="hold",
            name="position",
            field=models.PositiveSmallIntegerField(db_default=1, default=1, verbose_name="position"),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.UniqueConstraint(
                fields=("book", "idempotency_key", "position"), name="ledger_hold_key_once"
            ),
        ),
        sql_file(LAW / "holds.sql"),
    ]
