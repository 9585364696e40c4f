from pathlib import Path

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import ledger.core.fields
import ledger.core.ids
from ledger.core.migration_sql import sql_file

HERE = Path(__file__).parent / "sql"
LAW = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0004_corporate_actions"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[sql_file(HERE / "0005_partitions.sql")],
            state_operations=[
                migrations.CreateModel(
                    name="PostingKey",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "book_id",
                                "key",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("key", models.CharField(max_length=200, verbose_name="idempotency key")),
                        ("body_hash", models.BinaryField(null=True, verbose_name="body hash")),
                        ("refusal", models.JSONField(null=True, verbose_name="refusal")),
                    ],
                    options={
                        "verbose_name": "posting key",
                        "verbose_name_plural": "posting keys",
                        "db_table": "ledger_key",
                    },
                ),
                migrations.RemoveConstraint(
                    model_name="account",
                    name="ledger_account_key_once",
                ),
                migrations.RemoveConstraint(
                    model_name="balance",
                    name="ledger_balance_within_bounds",
                ),
                migrations.RemoveConstraint(
                    model_name="entry",
                    name="ledger_entry_version_once",
                ),
                migrations.RemoveConstraint(
                    model_name="journal",
                    name="ledger_journal_key_once",
                ),
                migrations.RemoveIndex(
                    model_name="journal",
                    name="ledger_journal_cause",
                ),
                migrations.AddField(
                    model_name="account",
                    name="closed_at",
                    field=models.DateTimeField(blank=True, null=True, verbose_name="closed at"),
                ),
                migrations.AddField(
                    model_name="account",
                    name="slot",
                    field=models.PositiveSmallIntegerField(
                        db_default=0,
                        default=0,
                        help_text="A busy house account lies in several slots, so that postings need not wait.",
                        verbose_name="slot",
                    ),
                ),
                migrations.AddField(
                    model_name="account",
                    name="stock_location",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.location",
                        verbose_name="stock record location",
                    ),
                ),
                migrations.AddField(
                    model_name="balance",
                    name="held_credit_atoms",
                    field=ledger.core.fields.AtomsField(db_default=0, verbose_name="held to be credited"),
                ),
                migrations.AddField(
                    model_name="balance",
                    name="held_debit_atoms",
                    field=ledger.core.fields.AtomsField(db_default=0, verbose_name="held to be debited"),
                ),
                migrations.AddField(
                    model_name="book",
                    name="closed_through",
                    field=models.DateField(
                        blank=True,
                        help_text="Nothing is booked at this value date or before.",
                        null=True,
                        verbose_name="closed through",
                    ),
                ),
                migrations.AddField(
                    model_name="entry",
                    name="position",
                    field=models.SmallIntegerField(default=None, verbose_name="position"),
                    preserve_default=False,
                ),
                migrations.AlterField(
                    model_name="entry",
                    name="id",
                    field=models.BigAutoField(primary_key=True, serialize=False),
                ),
                migrations.AlterField(
                    model_name="entry",
                    name="journal",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="ledger.journal",
                        verbose_name="journal",
                    ),
                ),
                migrations.AlterField(
                    model_name="journal",
                    name="book",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="ledger.book",
                        verbose_name="book",
                    ),
                ),
                migrations.AlterField(
                    model_name="journal",
                    name="entry_count",
                    field=models.SmallIntegerField(verbose_name="entries"),
                ),
                migrations.AlterField(
                    model_name="journal",
                    name="reversal_of",
                    field=models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reversals",
                        to="ledger.journal",
                        verbose_name="reversal of",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="account",
                    constraint=models.UniqueConstraint(
                        fields=("book", "owner", "role", "asset", "location", "slot"),
                        name="ledger_account_key_once",
                        nulls_distinct=False,
                    ),
                ),
                migrations.AddConstraint(
                    model_name="balance",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("floor_atoms__isnull", True),
                                (
                                    "floor_atoms__lte",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("net_atoms"), "-", models.F("held_credit_atoms")
                                    ),
                                ),
                                _connector="OR",
                            ),
                            models.Q(
                                ("ceiling_atoms__isnull", True),
                                (
                                    "ceiling_atoms__gte",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("net_atoms"), "+", models.F("held_debit_atoms")
                                    ),
                                ),
                                _connector="OR",
                            ),
                        ),
                        name="ledger_balance_within_bounds",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="balance",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("held_credit_atoms__gte", 0), ("held_debit_atoms__gte", 0)),
                        name="ledger_balance_holds_are_positive",
                    ),
                ),
                migrations.AddIndex(
                    model_name="journal",
                    index=models.Index(fields=["transaction", "id"], name="ledger_journal_order"),
                ),
                migrations.AddIndex(
                    model_name="journal",
                    index=models.Index(
                        condition=models.Q(("cause", ""), _negated=True),
                        fields=["cause"],
                        name="ledger_journal_cause",
                    ),
                ),
                migrations.AddIndex(
                    model_name="journal",
                    index=models.Index(
                        condition=models.Q(("reversal_of__isnull", False)),
                        fields=["reversal_of"],
                        name="ledger_journal_reversal_of",
                    ),
                ),
                migrations.AddField(
                    model_name="postingkey",
                    name="book",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="ledger.book",
                    ),
                ),
                migrations.AddField(
                    model_name="postingkey",
                    name="journal",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="ledger.journal",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="postingkey",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("body_hash__isnull", False),
                                ("journal__isnull", True),
                                ("refusal__isnull", False),
                            ),
                            models.Q(
                                ("body_hash__isnull", True),
                                ("journal__isnull", False),
                                ("refusal__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="ledger_key_is_answered",
                    ),
                ),
                migrations.AddField(
                    model_name="balance",
                    name="asset",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        default=None,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.asset",
                    ),
                    preserve_default=False,
                ),
                migrations.AddField(
                    model_name="balance",
                    name="book",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        default=None,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.book",
                    ),
                    preserve_default=False,
                ),
                migrations.AddField(
                    model_name="balance",
                    name="freeze",
                    field=models.CharField(db_default="none", editable=False, max_length=6),
                ),
                migrations.AddField(
                    model_name="balance",
                    name="stock_location",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.location",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=ledger.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("group_id", models.UUIDField(verbose_name="group")),
                ("idempotency_key", models.CharField(max_length=200, verbose_name="idempotency key")),
                ("body_hash", models.BinaryField(verbose_name="body hash")),
                ("amount_atoms", ledger.core.fields.AtomsField(verbose_name="amount")),
                ("posted_atoms", ledger.core.fields.AtomsField(db_default=0, verbose_name="posted")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("active", "Active"),
                            ("posted", "Posted"),
                            ("released", "Released"),
                            ("expired", "Expired"),
                        ],
                        default="active",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("placed_at", models.DateTimeField(verbose_name="placed at")),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="expires at")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended at")),
                ("actor", models.CharField(max_length=150, verbose_name="actor")),
                ("reason", models.CharField(blank=True, max_length=200, verbose_name="reason")),
            ],
            options={
                "verbose_name": "hold",
                "verbose_name_plural": "holds",
            },
        ),
        migrations.AddField(
            model_name="hold",
            name="book",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, to="ledger.book", verbose_name="book"
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="credit_account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="ledger.account",
                verbose_name="account to be credited",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="debit_account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="ledger.account",
                verbose_name="account to be debited",
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(fields=["group_id"], name="ledger_hold_group"),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=models.Q(("state", "active")), fields=["expires_at"], name="ledger_hold_expiry"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.UniqueConstraint(
                fields=("book", "idempotency_key"), name="ledger_hold_key_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount_atoms__gt", 0),
                    ("posted_atoms__gte", 0),
                    ("posted_atoms__lte", models.F("amount_atoms")),
                ),
                name="ledger_hold_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["active", "posted", "released", "expired"])),
                name="ledger_hold_state_is_known",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    model_name="journal",
                    name="hold",
                    field=models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="journals",
                        to="ledger.hold",
                        verbose_name="hold",
                    ),
                ),
                migrations.AddIndex(
                    model_name="journal",
                    index=models.Index(
                        condition=models.Q(("hold__isnull", False)),
                        fields=["hold"],
                        name="ledger_journal_hold",
                    ),
                ),
            ],
        ),
        sql_file(LAW / "partitions.sql"),
        sql_file(HERE / "0005_copy.sql"),
        sql_file(LAW / "holds.sql"),
        sql_file(LAW / "law.sql"),
        sql_file(LAW / "post.sql"),
    ]
