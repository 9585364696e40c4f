"""Settings, all of them read from the environment.

Two ways to run. *Embedded*: no `DATABASE_URL` is given, and `manage.py` starts a PostgreSQL and a Valkey of
its own under `LOMBARD_STATE_DIR`; importing this module starts nothing. *Given*: `DATABASE_URL`,
`BROKER_URL`, `SECRET_KEY` and `ALLOWED_HOSTS` name the firm's own, and a missing one is an error at start.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from deploy.embedded.places import Places
from ledger.core import decimals

decimals.install()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

EMBEDDED: bool = env.bool("LOMBARD_EMBEDDED", default="DATABASE_URL" not in env.ENVIRON)
PLACES = Places.of()

DEBUG: bool = env.bool("DEBUG", default=False)
HTTPS: bool = env.bool("LOMBARD_HTTPS", default=not EMBEDDED)

if EMBEDDED:
    SECRET_KEY: str = env.str("SECRET_KEY", default="") or PLACES.secret_key()
    ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
    _database: dict[str, Any] = env.db("DATABASE_URL", default=PLACES.database_url)
    CELERY_BROKER_URL: str = env.str("BROKER_URL", default=PLACES.broker_url)
else:
    SECRET_KEY = env.str("SECRET_KEY")
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
    _database = env.db("DATABASE_URL")
    CELERY_BROKER_URL = env.str("BROKER_URL")

if not EMBEDDED and env.int("LOMBARD_CLOCK_OFFSET_SECONDS", default=0):
    raise ImproperlyConfigured("LOMBARD_CLOCK_OFFSET_SECONDS is for the demonstration on embedded servers")

SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_filters",
    "djmoney",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "ledger.core",
    "ledger",
    "collateral",
    "margin",
    "deploy",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "deploy.urls"
WSGI_APPLICATION = "deploy.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "deploy" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# A socket's folder comes as `?host=/folder`, because a URL's host part loses its capital letters.
_options: dict[str, Any] = _database.setdefault("OPTIONS", {})
_database["HOST"] = _options.pop("host", _database["HOST"])
_options.setdefault("application_name", "lombard")
# Statements are kept prepared after their fifth use, but not behind a proxy that shares sessions.
_pooled = env.bool("DATABASE_POOLED", default=False)
_options.setdefault("prepare_threshold", None if _pooled else 5)
DATABASES = {
    "default": _database
    | {
        "CONN_MAX_AGE": env.int("DATABASE_CONN_MAX_AGE_SECONDS", default=60),
        "CONN_HEALTH_CHECKS": True,
        # Behind a transaction-pooling proxy a cursor must not outlive its transaction.
        "DISABLE_SERVER_SIDE_CURSORS": _pooled,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_AGE = 30 * 60
SESSION_SAVE_EVERY_REQUEST = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS

SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if env.bool("LOMBARD_BEHIND_PROXY", default=False):
    # Only a proxy that overwrites this header may be named: anybody else could claim to be secure.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hant", _("Traditional Chinese"))]
LOCALE_PATHS = [BASE_DIR / "deploy" / "locale"]
FORMAT_MODULE_PATH = "deploy.formats"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Hong_Kong"

# Set before the first migration: the column of a MoneyField's currency takes this length.
CURRENCY_CODE_MAX_LENGTH = 12
CURRENCIES = ("HKD", "USD", "CNY")
# Constant labels: those of the library follow its locale data and would change migrations.
CURRENCY_CHOICES = [(code, code) for code in CURRENCIES]
DEFAULT_CURRENCY = "HKD"

# Static files are served from here: a broker's network may have no way out.
STATIC_URL = "static/"
STATIC_ROOT = None if EMBEDDED else BASE_DIR / "static"
WHITENOISE_USE_FINDERS = EMBEDDED
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if EMBEDDED
        else "whitenoise.storage.CompressedManifestStaticFilesStorage",
    },
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Lombard",
    "SITE_HEADER": "Lombard",
    "SITE_SUBHEADER": _("Margin lending"),
    "SITE_SYMBOL": "account_balance",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "deploy.front_page.favicon"}],
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["deploy.front_page.stylesheet"],
    "DASHBOARD_CALLBACK": "deploy.front_page.dashboard",
    "SIDEBAR": {"show_search": True, "navigation": "deploy.navigation.sidebar"},
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% 0.012 200)",
            "100": "oklch(94% 0.026 200)",
            "200": "oklch(88.5% 0.045 200)",
            "300": "oklch(80% 0.068 200)",
            "400": "oklch(70% 0.085 200)",
            "500": "oklch(58.5% 0.088 200)",
            "600": "oklch(48% 0.078 202)",
            "700": "oklch(41% 0.066 203)",
            "800": "oklch(35% 0.054 204)",
            "900": "oklch(30% 0.044 205)",
            "950": "oklch(22% 0.034 206)",
        },
    },
}

# Where clients confirm a notice, and how e-mail and SMS leave; without a mail server none is written to a socket.
LOMBARD_PUBLIC_URL = env.str("LOMBARD_PUBLIC_URL", default="http://localhost:8000").rstrip("/")
LOMBARD_SMS_ADAPTER = env.str("LOMBARD_SMS_ADAPTER", default="")
_email: dict[str, Any] = env.email("EMAIL_URL", default="dummymail://" if EMBEDDED else "smtp://localhost:25")
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _email["EMAIL_HOST"], _email["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"], _email["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _email.get("EMAIL_USE_TLS", False), _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("LOMBARD_MAIL_FROM", default="margin@localhost")

# Where orders of forced sales go, by venue code, as `sehk=path.of.an.Adapter`; the paper venue without one.
LOMBARD_VENUE_ADAPTERS: dict[str, str] = env.dict("LOMBARD_VENUE_ADAPTERS", default={})

# The trading venue behind a venue code, as JSON (deploy/docs/venues.md), and its keys, which stand nowhere else.
LOMBARD_CCXT_VENUES: dict[str, Any] = env.json("LOMBARD_CCXT_VENUES", default={})
LOMBARD_CCXT_CREDENTIALS: dict[str, Any] = env.json("LOMBARD_CCXT_CREDENTIALS", default={})

# What goes wrong at the paper venue, order by order: lost_reply, part_fill, late_report, duplicate, reject or none.
LOMBARD_PAPER_FAULTS: list[str] = env.list("LOMBARD_PAPER_FAULTS", default=[])

# Sources of prices by code, as JSON (deploy/docs/feeds.md); without any, no price is fetched over the network.
LOMBARD_PRICE_FEEDS: dict[str, Any] = env.json("LOMBARD_PRICE_FEEDS", default={})

# House accounts without bounds lie in this many slots; a process posts to its own, so that processes do not queue.
LEDGER_HOUSE_SLOTS = env.int("LEDGER_HOUSE_SLOTS", default=16)

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "ledger.core.api.schema.HouseSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "margin.api.authentication.ApiKeyAuthentication",
        "margin.api.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["ledger.core.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "ledger.core.api.pagination.KeyPagination",
    "EXCEPTION_HANDLER": "ledger.core.api.problems.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Lombard API",
    "DESCRIPTION": (
        "Loans against securities, Bitcoin and Ether: collateral, valuations, calls, sales and the books.\n\n"
        "A firm's key, sent as `Authorization: Bearer lk_...`, sees that firm only; a house operator who"
        " signed in names a firm with `?broker=CODE`.\n\n"
        "Every POST carries an `Idempotency-Key` and has its effect once: a retry is given the first reply,"
        " another body under the same key is refused.\n\n"
        "Amounts and quantities are strings and exact. Errors are `application/problem+json` with a stable"
        " `code`."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    # Without null the page asks a validator on another host about the schema.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Every set of choices by name: generated names change when a choice is added, and break clients.
    "ENUM_NAME_OVERRIDES": {
        "AccountRole": "ledger.models.Role",
        "AccountFreeze": "ledger.models.Account.Freeze",
        "AssetKind": "ledger.models.Asset.Kind",
        "EntrySide": "ledger.api.journal_bodies.Side",
        "PostingMode": [("all_or_none", "all_or_none"), ("independent", "independent")],
        "HoldState": "ledger.models.Hold.State",
        "Approval": "ledger.core.models.FourEyes.Approval",
        "CorporateActionKind": "ledger.models.CorporateAction.Kind",
        "PeriodChangeKind": "ledger.models.PeriodChange.Kind",
        "CorporateActionStage": "ledger.models.CorporateAction.Stage",
        "EntitlementStatus": "ledger.models.Entitlement.Status",
        "EntityType": "collateral.models.EntityType",
        "Product": "collateral.models.Product",
        "InstrumentStatus": "collateral.models.Instrument.Status",
        "InstrumentVenue": "collateral.models.Instrument.Venue",
        "ClientKind": "margin.models.Client.Kind",
        "ClientLanguage": "margin.models.Client.Language",
        "LoanMovementKind": "margin.models.LoanMovement.Kind",
        "LoanPurpose": "margin.models.LoanMovement.Purpose",
        "UtilisationLevel": "margin.models.valuation.Level",
        "CallSecuredBy": "margin.models.CallDeadline.SecuredBy",
        "CallClock": "margin.models.CallDeadline.Clock",
        "NoticeKind": "margin.models.NoticeKind",
        "ScenarioKind": "margin.models.StressScenario.Kind",
        "NoticeChannel": "margin.models.Notice.Channel",
        "NoticeStatus": "margin.models.Notice.Status",
        "CallDecisionKind": "margin.models.CallDecision.Kind",
        "CallDecisionReason": "margin.models.CallDecision.Why",
        "AcknowledgementChannel": "margin.acknowledgements.CHANNEL_CHOICES",
        "MarginCallStatus": "margin.models.MarginCall.Status",
        "ForcedSaleStatus": "margin.models.ForcedSale.Status",
        "ContractNoteSide": "margin.models.ContractNote.Side",
        "ContractNoteChannel": "margin.models.contract_note.CHANNEL_CHOICES",
        "ContractNoteGap": [("not_issued", "not_issued"), ("not_given", "not_given")],
        "SettlementStatus": "margin.models.SettlementInstruction.Status",
        "SettlementOutcome": "margin.models.SettlementReport.Outcome",
        "SettlementSource": "margin.models.SettlementReport.Source",
        "SettlementPenaltyKind": "margin.models.SettlementPenalty.Kind",
        "SaleOrderStatus": "margin.models.SaleOrder.Status",
    },
}

CELERY_TIMEZONE = TIME_ZONE
CELERY_ENABLE_UTC = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Time limit < lease of a step < visibility timeout: a task that runs longer would be handed out twice.
CELERY_TASK_SOFT_TIME_LIMIT = 270
CELERY_TASK_TIME_LIMIT = 300
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {
        "visibility_timeout": 600,
        # The defaults look for the messages of a dead worker only about every 100 s.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
    }
    | ({} if CELERY_BROKER_URL.startswith("redis+socket:") else {"socket_keepalive": True})
    if CELERY_BROKER_URL.startswith("redis")
    else {}
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20.0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = env.bool("LOMBARD_TASK_EVENTS", default=False)
# Without it a worker opens a new connection for each task.
CELERY_DB_REUSE_MAX = 100
# Each periodic job under the name of what it does: {"task": "margin.tasks.…", "schedule": crontab(…)}.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "value-accounts": {"task": "margin.tasks.value_accounts", "schedule": crontab(minute="*/5")},
    "advance-calls": {"task": "margin.tasks.advance_calls", "schedule": crontab()},
    "send-notices": {"task": "margin.tasks.send_notices", "schedule": crontab()},
    "work-sales": {"task": "margin.tasks.work_sales", "schedule": crontab()},
    "settle-sales": {"task": "margin.tasks.settle_sales", "schedule": crontab(hour="9-17", minute="*/15")},
    "accrue-interest": {"task": "margin.tasks.accrue_interest", "schedule": crontab(hour=0, minute=5)},
    "issue-contract-notes": {"task": "margin.tasks.issue_contract_notes", "schedule": crontab(minute=10)},
    "stress-accounts": {"task": "margin.tasks.stress_accounts", "schedule": crontab(hour=18, minute=30)},
    "flag-stale-prices": {"task": "collateral.tasks.flag_stale_prices", "schedule": crontab()},
    "poll-feeds": {"task": "collateral.tasks.poll_feeds", "schedule": timedelta(seconds=5)},
    "seal-books": {"task": "ledger.tasks.seal_books", "schedule": timedelta(seconds=5)},
    "make-partitions": {"task": "ledger.tasks.make_partitions", "schedule": crontab(hour=1, minute=15)},
    "audit": {"task": "ledger.tasks.run_audit", "schedule": crontab(hour=2, minute=30)},
    "expire-holds": {"task": "ledger.tasks.expire_holds", "schedule": crontab()},
    "relay-events": {"task": "ledger.tasks.relay_events", "schedule": timedelta(seconds=5)},
    # A split has to be in the books before anything of its ex date is valued.
    "apply-corporate-actions": {"task": "ledger.tasks.apply_corporate_actions", "schedule": crontab()},
    "apply-limits": {"task": "ledger.tasks.apply_limits", "schedule": crontab(hour=0, minute=1)},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "deploy.logging.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        # Tells glyph by glyph what a statement says.
        "fontTools": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}
