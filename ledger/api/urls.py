from django.urls import path

from .views import (
    AccountEntryListView,
    AccountListView,
    BalanceListView,
    JournalListView,
    JournalView,
)

urlpatterns = [
    path("journals", JournalListView.as_view()),
    path("journals/<uuid:id>", JournalView.as_view()),
    path("accounts", AccountListView.as_view()),
    path("accounts/<int:id>/entries", AccountEntryListView.as_view()),
    path("balances", BalanceListView.as_view()),
]
