from pathlib import Path

from django.db import migrations

from ledger.core.migration_sql import sql_file

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [sql_file(SQL / "append_only.sql")]
