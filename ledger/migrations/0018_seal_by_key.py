from pathlib import Path

from django.db import migrations

from ledger.core.migration_sql import sql_file

LAW = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0017_period_balances")]

    operations = [sql_file(LAW / "seal.sql")]
