from django.urls import path

from .capital import (
    ApproveCapitalHaircutView,
    CapitalHaircutListView,
    CapitalHaircutView,
    RejectCapitalHaircutView,
)
from .eligibility import (
    ApproveEligibilityView,
    EligibilityListView,
    EligibilityView,
    RejectEligibilityView,
)
from .haircuts import ApproveHaircutView, HaircutListView, HaircutView, RejectHaircutView
from .rates import FxRateListView, LatestFxRateView
from .views import (
    InstrumentListView,
    InstrumentView,
    LatestPriceListView,
    LatestPriceView,
    PriceBatchView,
    PriceListView,
)

urlpatterns = [
    path("instruments", InstrumentListView.as_view()),
    path("instruments/<str:code>", InstrumentView.as_view()),
    path("instruments/<str:code>/price", LatestPriceView.as_view()),
    path("latest-prices", LatestPriceListView.as_view()),
    path("prices", PriceListView.as_view()),
    path("price-batches", PriceBatchView.as_view()),
    path("fx-rates", FxRateListView.as_view()),
    path("fx-rates/<str:base>/<str:quote>", LatestFxRateView.as_view()),
    path("haircuts", HaircutListView.as_view()),
    path("haircuts/<int:id>", HaircutView.as_view()),
    path("haircuts/<int:id>:approve", ApproveHaircutView.as_view()),
    path("haircuts/<int:id>:reject", RejectHaircutView.as_view()),
    path("eligibilities", EligibilityListView.as_view()),
    path("eligibilities/<int:id>", EligibilityView.as_view()),
    path("eligibilities/<int:id>:approve", ApproveEligibilityView.as_view()),
    path("eligibilities/<int:id>:reject", RejectEligibilityView.as_view()),
    path("capital-haircuts", CapitalHaircutListView.as_view()),
    path("capital-haircuts/<int:id>", CapitalHaircutView.as_view()),
    path("capital-haircuts/<int:id>:approve", ApproveCapitalHaircutView.as_view()),
    path("capital-haircuts/<int:id>:reject", RejectCapitalHaircutView.as_view()),
]
