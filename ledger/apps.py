from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class LedgerConfig(AppConfig):
    name = "ledger"
    verbose_name = _("Ledger")

    def ready(self) -> None:
        from .corporate_actions.audit import register_checks
        from .holds.audit import register_check
        from .partitions import make_after_migration

        register_checks()
        register_check()
        post_migrate.connect(make_after_migration, sender=self)
