from django.urls import path

from .balances import BalanceListView
from .controls import (
    AccountLimitListView,
    AccountLimitView,
    ApproveAccountLimitView,
    ApprovePeriodChangeView,
    CloseAccountView,
    PeriodChangeListView,
    PeriodChangeView,
    RejectAccountLimitView,
    RejectPeriodChangeView,
    ReopenAccountView,
)
from .corporate_actions import (
    ApproveCorporateActionView,
    CorporateActionListView,
    CorporateActionView,
    EntitlementListView,
    PreviewView,
    RejectCorporateActionView,
)
from .holds import (
    HoldListView,
    HoldView,
    PostHoldGroupView,
    PostHoldView,
    ReleaseHoldGroupView,
    ReleaseHoldView,
)
from .posting import JournalBatchView, JournalListView, JournalPreviewView, JournalReversalView, LimitsView
from .seal import BlockListView, JournalProofView
from .statements import StatementCsvView, StatementPdfView, StatementView
from .views import (
    AccountEntryListView,
    AccountListView,
    JournalView,
)

urlpatterns = [
    path("journals", JournalListView.as_view()),
    path("journals/preview", JournalPreviewView.as_view()),
    path("journals/<uuid:id>", JournalView.as_view()),
    path("journals/<uuid:id>/reversals", JournalReversalView.as_view()),
    path("journals/<uuid:id>/proof", JournalProofView.as_view()),
    path("journal-batches", JournalBatchView.as_view()),
    path("limits", LimitsView.as_view()),
    path("blocks", BlockListView.as_view()),
    path("accounts", AccountListView.as_view()),
    path("accounts/<int:id>/entries", AccountEntryListView.as_view()),
    path("accounts/<int:id>:close", CloseAccountView.as_view()),
    path("accounts/<int:id>:reopen", ReopenAccountView.as_view()),
    path("account-limits", AccountLimitListView.as_view()),
    path("account-limits/<int:id>", AccountLimitView.as_view()),
    path("account-limits/<int:id>:approve", ApproveAccountLimitView.as_view()),
    path("account-limits/<int:id>:reject", RejectAccountLimitView.as_view()),
    path("period-changes", PeriodChangeListView.as_view()),
    path("period-changes/<int:id>", PeriodChangeView.as_view()),
    path("period-changes/<int:id>:approve", ApprovePeriodChangeView.as_view()),
    path("period-changes/<int:id>:reject", RejectPeriodChangeView.as_view()),
    path("accounts/<int:id>/statement", StatementView.as_view()),
    path("accounts/<int:id>/statement.csv", StatementCsvView.as_view()),
    path("accounts/<int:id>/statement.pdf", StatementPdfView.as_view()),
    path("balances", BalanceListView.as_view()),
    path("holds", HoldListView.as_view()),
    path("holds/<uuid:id>", HoldView.as_view()),
    path("holds/<uuid:id>:post", PostHoldView.as_view()),
    path("holds/<uuid:id>:release", ReleaseHoldView.as_view()),
    path("hold-groups/<uuid:id>:post", PostHoldGroupView.as_view()),
    path("hold-groups/<uuid:id>:release", ReleaseHoldGroupView.as_view()),
    path("corporate-actions", CorporateActionListView.as_view()),
    path("corporate-actions/<int:id>", CorporateActionView.as_view()),
    path("corporate-actions/<int:id>:approve", ApproveCorporateActionView.as_view()),
    path("corporate-actions/<int:id>:reject", RejectCorporateActionView.as_view()),
    path("corporate-actions/<int:id>/entitlements", EntitlementListView.as_view()),
    path("corporate-actions/<int:id>/preview", PreviewView.as_view()),
]
