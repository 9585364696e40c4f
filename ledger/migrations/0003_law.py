from pathlib import Path

from django.db import migrations

from ledger.core.migration_sql import sql_file

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("core", "0002_law"), ("ledger", "0002_models")]

    operations = [sql_file(SQL / "0003_law.sql"), sql_file(SQL / "0003_post.sql")]
