from pathlib import Path

from django.db import migrations

from ledger.core.migration_sql import sql_file

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [sql_file(SQL / "0001_types.sql")]
