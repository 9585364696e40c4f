"""Addresses: the back office under `/admin/`, brokers' systems under `/api/v1/`."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

from margin.notices.pages import notice_page, notice_paper

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("notices/<str:token>", notice_page, name="notice"),
    path("notices/<str:token>/contract-note.pdf", notice_paper, name="notice-paper"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/reference/", SpectacularRedocView.as_view(url_name="schema"), name="reference"),
    path("api/v1/", include("ledger.api.urls")),
    path("api/v1/", include("collateral.api.urls")),
    path("api/v1/", include("margin.api.urls")),
    path("api/", include("ledger.core.api.urls")),
]
