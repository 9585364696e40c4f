"""What answers for addresses under `/api/` that nothing else has."""

from django.urls import path

from .views import UnknownAddress

urlpatterns = [path("<path:address>", UnknownAddress.as_view())]
