from django.urls import path

from .calls import CallCuresView, CallRegisterView, MarginCallExplainView, MarginCallListView, MarginCallView
from .caps import (
    ApproveCapView,
    CapListView,
    CapView,
    ClientGroupListView,
    RejectCapView,
    SetClientGroupView,
)
from .clients import (
    CashDepositView,
    CashWithdrawalView,
    ClientListView,
    ClientView,
    CollateralDepositView,
    CollateralWithdrawalView,
)
from .decisions import (
    AcknowledgeCallView,
    ApproveDecisionView,
    CallDecisionListView,
    CallDecisionView,
    ProposeDecisionView,
    RejectDecisionView,
)
from .events import EventFeedView
from .facilities import DrawdownView, FacilityListView, FacilityView, RepaymentView
from .notices import NoticeListView, NoticeView, ReportNoticeView
from .policies import (
    ApprovePolicyView,
    MarginPolicyListView,
    MarginPolicyView,
    ReadinessView,
    RejectPolicyView,
)
from .purchases import PurchaseCheckView
from .sales import (
    ApproveSaleView,
    ForcedSaleListView,
    ForcedSaleView,
    RejectSaleView,
    SubmitSaleView,
)
from .settlements import (
    ChargePenaltyView,
    ReportSettlementView,
    SettlementFileView,
    SettlementListView,
    SettlementView,
)
from .stops import AskToLiftView, LiftStopView, StopListView, StopView
from .stress import (
    ApproveScenarioSetView,
    BreakEvenView,
    HaircutBacktestListView,
    HaircutBacktestView,
    RejectScenarioSetView,
    ScenarioSetListView,
    ScenarioSetView,
    StressResultListView,
    StressRunListView,
    StressRunView,
)
from .valuations import ValuationExplainView, ValuationListView, ValuationReplayView, ValuationView

urlpatterns = [
    path("clients", ClientListView.as_view()),
    path("clients/<str:number>", ClientView.as_view()),
    path("clients/<str:number>/collateral-deposits", CollateralDepositView.as_view()),
    path("clients/<str:number>/collateral-withdrawals", CollateralWithdrawalView.as_view()),
    path("clients/<str:number>/cash-deposits", CashDepositView.as_view()),
    path("clients/<str:number>/cash-withdrawals", CashWithdrawalView.as_view()),
    path("clients/<str:number>/group", SetClientGroupView.as_view()),
    path("client-groups", ClientGroupListView.as_view()),
    path("collateral-caps", CapListView.as_view()),
    path("collateral-caps/<int:id>", CapView.as_view()),
    path("collateral-caps/<int:id>:approve", ApproveCapView.as_view()),
    path("collateral-caps/<int:id>:reject", RejectCapView.as_view()),
    path("facilities", FacilityListView.as_view()),
    path("facilities/<int:id>", FacilityView.as_view()),
    path("facilities/<int:id>/drawdowns", DrawdownView.as_view()),
    path("facilities/<int:id>/repayments", RepaymentView.as_view()),
    path("facilities/<int:id>/purchase-checks", PurchaseCheckView.as_view()),
    path("facilities/<int:id>/break-even", BreakEvenView.as_view()),
    path("scenario-sets", ScenarioSetListView.as_view()),
    path("scenario-sets/<int:id>", ScenarioSetView.as_view()),
    path("scenario-sets/<int:id>:approve", ApproveScenarioSetView.as_view()),
    path("scenario-sets/<int:id>:reject", RejectScenarioSetView.as_view()),
    path("haircut-backtests", HaircutBacktestListView.as_view()),
    path("haircut-backtests/<int:id>", HaircutBacktestView.as_view()),
    path("stress-tests", StressRunListView.as_view()),
    path("stress-tests/<int:id>", StressRunView.as_view()),
    path("stress-results", StressResultListView.as_view()),
    path("valuations", ValuationListView.as_view()),
    path("valuations/<int:id>", ValuationView.as_view()),
    path("valuations/<int:id>/explain", ValuationExplainView.as_view()),
    path("valuations/<int:id>/replay", ValuationReplayView.as_view()),
    path("margin-calls", MarginCallListView.as_view()),
    path("margin-calls/<int:id>", MarginCallView.as_view()),
    path("margin-calls/<int:id>/explain", MarginCallExplainView.as_view()),
    path("margin-call-register.csv", CallRegisterView.as_view()),
    path("margin-calls/<int:id>/cures", CallCuresView.as_view()),
    path("margin-calls/<int:id>:acknowledge", AcknowledgeCallView.as_view()),
    path("margin-calls/<int:id>:decide", ProposeDecisionView.as_view()),
    path("call-decisions", CallDecisionListView.as_view()),
    path("call-decisions/<int:id>", CallDecisionView.as_view()),
    path("call-decisions/<int:id>:approve", ApproveDecisionView.as_view()),
    path("call-decisions/<int:id>:reject", RejectDecisionView.as_view()),
    path("notices", NoticeListView.as_view()),
    path("notices/<int:id>", NoticeView.as_view()),
    path("notices/<int:id>:report", ReportNoticeView.as_view()),
    path("margin-policies", MarginPolicyListView.as_view()),
    path("margin-policies/<int:id>", MarginPolicyView.as_view()),
    path("margin-policies/<int:id>:approve", ApprovePolicyView.as_view()),
    path("margin-policies/<int:id>:reject", RejectPolicyView.as_view()),
    path("firms/<str:code>/readiness", ReadinessView.as_view()),
    path("forced-sales", ForcedSaleListView.as_view()),
    path("forced-sales/<int:id>", ForcedSaleView.as_view()),
    path("forced-sales/<int:id>:submit", SubmitSaleView.as_view()),
    path("forced-sales/<int:id>:approve", ApproveSaleView.as_view()),
    path("forced-sales/<int:id>:reject", RejectSaleView.as_view()),
    path("sale-stops", StopListView.as_view()),
    path("sale-stops/<int:id>", StopView.as_view()),
    path("sale-stops/<int:id>:ask-to-lift", AskToLiftView.as_view()),
    path("sale-stops/<int:id>:lift", LiftStopView.as_view()),
    path("settlement-instructions", SettlementListView.as_view()),
    path("settlement-instructions.csv", SettlementFileView.as_view()),
    path("settlement-instructions/<int:id>", SettlementView.as_view()),
    path("settlement-instructions/<int:id>:report", ReportSettlementView.as_view()),
    path("settlement-instructions/<int:id>/penalties", ChargePenaltyView.as_view()),
    path("events", EventFeedView.as_view()),
]
