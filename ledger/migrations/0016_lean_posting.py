from pathlib import Path

from django.db import migrations, models
from django.db.models import F, Q

import ledger.core.fields
import ledger.models.journal
from ledger.core.migration_sql import sql_file

HERE = Path(__file__).parent
LAW = HERE.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0015_period_isolation")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[sql_file(HERE / "sql" / "0016_lean_posting.sql")],
            state_operations=[
                migrations.RemoveConstraint("balance", "ledger_balance_within_bounds"),
                migrations.RemoveConstraint("balance", "ledger_balance_holds_are_positive"),
                migrations.RemoveConstraint("entry", "ledger_entry_moves_something"),
                migrations.RemoveConstraint("journal", "ledger_journal_has_entries"),
                migrations.AlterField(
                    "balance",
                    "held_credit_atoms",
                    ledger.core.fields.AtomsField(
                        db_default=0, domain="ledger_held_atoms", verbose_name="held to be credited"
                    ),
                ),
                migrations.AlterField(
                    "balance",
                    "held_debit_atoms",
                    ledger.core.fields.AtomsField(
                        db_default=0, domain="ledger_held_atoms", verbose_name="held to be debited"
                    ),
                ),
                migrations.AlterField(
                    "entry",
                    "amount_atoms",
                    ledger.core.fields.AtomsField(domain="ledger_moved_atoms", verbose_name="amount"),
                ),
                migrations.AlterField(
                    "journal", "entry_count", ledger.models.journal.EntryCount(verbose_name="entries")
                ),
                migrations.AddConstraint(
                    "balance",
                    models.CheckConstraint(
                        condition=Q(floor_atoms__lte=F("net_atoms") - F("held_credit_atoms"))
                        & Q(ceiling_atoms__gte=F("net_atoms") + F("held_debit_atoms")),
                        name="ledger_balance_within_bounds",
                    ),
                ),
            ],
        ),
        sql_file(LAW / "law.sql"),
        sql_file(LAW / "post.sql"),
        sql_file(LAW / "seal.sql"),
    ]
