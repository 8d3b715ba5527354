"""Every setting of the portal, from the environment only. `.env.example` explains each variable; `cmlmanager.checks` names contradictions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from cmlmanager import env, observability

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(env.text("VAR", str(BASE_DIR / "var"))).absolute()

# ── What kind of installation ──────────────────────────────────────────────────────────────────────────────────────
DEBUG = env.boolean("DEBUG", False)
SANDBOX = env.boolean("SANDBOX", False)
HTTPS = env.boolean("HTTPS", not (DEBUG or SANDBOX))
SECRET_KEY = env.text("SECRET_KEY")
# Fernet keys for secrets in the database, newest first: the first encrypts, all decrypt.
SECRETS_KEYS = env.names("SECRETS_KEYS")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if DEBUG or SANDBOX else "")
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")

# ── Applications ───────────────────────────────────────────────────────────────────────────────────────────────────
INSTALLED_APPS = [
    "allauth",
    "allauth.account",  # before accounts, which takes its list of addresses out of the admin
    "allauth.mfa",
    "accounts.apps.AccountsConfig",
    "workers.apps.WorkersConfig",
    "labs.apps.LabsConfig",
    "cmlmanager.system.apps.SystemConfig",
    "cmlmanager.runtime.apps.RuntimeConfig",
    "cmlmanager.apps.PortalConfig",
    "cmlmanager.api.apps.ApiConfig",
    "cmlmanager.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "heroicons",
]

MIDDLEWARE = [
    "cmlmanager.api.errors.ProblemMiddleware",  # outermost: errors under /api/ are never pages
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.oidc.middleware.RenewalMiddleware",
    "accounts.middleware.SessionsMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "cmlmanager.htmx.SignInRedirectMiddleware",
    "accounts.local.middleware.DutiesMiddleware",
    "accounts.middleware.RoleRequiredMiddleware",
    "accounts.middleware.PreferencesMiddleware",
    "accounts.middleware.PrivatePagesMiddleware",
]

ROOT_URLCONF = "cmlmanager.urls"
ASGI_APPLICATION = "cmlmanager.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [
                "heroicons.templatetags.heroicons",
                "workers.templatetags.fleet",
                "workers.templatetags.charts",
                "cmlmanager.system.templatetags.system",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "cmlmanager.context.portal",
            ],
        },
    }
]

# ── Database, cache, Redis ─────────────────────────────────────────────────────────────────────────────────────────
DATABASES = {"default": dj_database_url.parse(env.text("DATABASE_URL", f"sqlite:///{VAR / 'db.sqlite3'}"), conn_max_age=60)}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if "DATABASE_URL" not in os.environ and "DATABASE_URL_FILE" not in os.environ:
    VAR.mkdir(parents=True, exist_ok=True)
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Several processes write: readers must not block them (WAL), a busy database is waited for, and a transaction takes the
    # write lock when it begins, because SQLite answers "locked" at once to one that wants it later.
    DATABASES["default"]["CONN_MAX_AGE"] = None
    # Tests use a file too: an in-memory database has neither WAL nor a busy time-out.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000; PRAGMA temp_store=MEMORY;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Sign-in rate limits live here. In the database, so that they hold over all web processes and sign-in works while Redis is away.
# Of a full cache a third is thrown away at random, counters of failures among it: guessing under many names must not fill it.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6379/0")

# ── People ─────────────────────────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "accounts.User"
# on, break-glass (one administrator, at an address of its own) or off: accounts.local.policy.
LOCAL_ACCOUNTS = env.text("LOCAL_ACCOUNTS", "break-glass" if env.text("OIDC_ISSUER", "") else "on").strip().lower()
if LOCAL_ACCOUNTS not in {"on", "break-glass", "off"}:
    raise ImproperlyConfigured(f"LOCAL_ACCOUNTS is {LOCAL_ACCOUNTS!r}; use on, break-glass or off.")
LOCAL_BACKEND = "accounts.local.backend.LocalBackend"
AUTHENTICATION_BACKENDS = [LOCAL_BACKEND, "accounts.oidc.backend.KeycloakBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "fleet"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "accounts.adapter.LocalAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = False
# Ten failures in five minutes from one address, or five for one account, then wait.
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",
    "login_failed": "10/5m/ip,5/5m/key",
    "break_glass": "5/5m/ip",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
}
# Second factors of local accounts; those of Keycloak's people are Keycloak's. Secrets are encrypted by the adapter.
MFA_REQUIRED_FOR_ADMINS = env.boolean("MFA_REQUIRED_FOR_ADMINS", not SANDBOX)
MFA_ADAPTER = "accounts.local.factors.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "preferred"
MFA_TOTP_ISSUER = "CML Cloud Manager"
MFA_FORMS = {
    "activate_totp": "accounts.local.forms.SetUpAppForm",
    "add_webauthn": "accounts.local.forms.AddPasskeyForm",
    "edit_webauthn": "accounts.local.forms.RenamePasskeyForm",
}
ACCOUNT_FORMS = {"change_password": "accounts.local.forms.NewPasswordForm"}
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXY_COUNT", 0, maximum=10)
# Personal API tokens: for how long one may be made, and how many a person may have.
API_TOKEN_DAYS = env.integer("API_TOKEN_DAYS", 365, minimum=1, maximum=3660)
API_TOKENS_PER_PERSON = env.integer("API_TOKENS_PER_PERSON", 20, maximum=1000)
SUPPORT_CONTACT = env.text("SUPPORT_CONTACT", "the people who run this portal")

# ── Keycloak, or another OpenID provider ───────────────────────────────────────────────────────────────────────────
# The issuer to the letter, as the provider's tokens have it; "" switches sign-in with it off. accounts.oidc reads the rest from there.
OIDC_ISSUER = env.text("OIDC_ISSUER", "").strip()
OIDC_INTERNAL_URL = env.text("OIDC_INTERNAL_URL", "").strip().rstrip("/")
OIDC_ORIGINS = ["{0.scheme}://{0.netloc}".format(urlsplit(OIDC_ISSUER))] if OIDC_ISSUER else []
OIDC_NAME = env.text("OIDC_NAME", "").strip() or "Keycloak"
# Named as mozilla-django-oidc has them.
OIDC_RP_CLIENT_ID = env.text("OIDC_CLIENT_ID", "").strip()
OIDC_RP_CLIENT_SECRET = env.text("OIDC_CLIENT_SECRET", "")
OIDC_RP_SCOPES = env.text("OIDC_SCOPES", "openid profile email")
OIDC_RP_SIGN_ALGO = env.text("OIDC_SIGN_ALGORITHM", "RS256").strip()
OIDC_SIGN_ALGORITHMS = [OIDC_RP_SIGN_ALGO]
OIDC_USE_PKCE = True
OIDC_MAX_STATES = 10  # sign-ins of one browser that are under way
OIDC_TIMEOUT = env.integer("OIDC_TIMEOUT", 5, minimum=1, maximum=30)  # seconds
OIDC_REQUIRE_VERIFIED_EMAIL = env.boolean("OIDC_REQUIRE_VERIFIED_EMAIL", True)
# What people of the provider may do: its groups and roles → ours (accounts.oidc.rolemap), and a role for those whom the map does not know.
OIDC_ROLE_MAP = env.document("OIDC_ROLE_MAP", "{}")
OIDC_DEFAULT_ROLE = env.text("OIDC_DEFAULT_ROLE", "none").strip().lower()
OIDC_STAFF_ROLE = env.text("OIDC_STAFF_ROLE", "admin").strip().lower()
OIDC_SUPERUSER_ROLE = env.text("OIDC_SUPERUSER_ROLE", "none").strip().lower()
OIDC_GROUPS_CLAIM = env.text("OIDC_GROUPS_CLAIM", "groups").strip()
OIDC_ROLES_CLAIM = env.text("OIDC_ROLES_CLAIM", "roles").strip()
# Minutes between two looks whether the provider still knows a session, and how long one goes on while the provider is away.
OIDC_RENEW_MINUTES = env.integer("OIDC_RENEW_MINUTES", 5, minimum=1, maximum=24 * 60)
OIDC_GRACE_MINUTES = env.integer("OIDC_GRACE_MINUTES", 60, minimum=1, maximum=24 * 60)
# Whom access tokens at the API must be for, and which clients may have asked for them.
OIDC_API_AUDIENCE = env.text("OIDC_API_AUDIENCE", OIDC_RP_CLIENT_ID).strip()
OIDC_API_CLIENTS = env.names("OIDC_API_CLIENTS", OIDC_RP_CLIENT_ID)

# ── Browser security ───────────────────────────────────────────────────────────────────────────────────────────────
# A session is over after so long whatever happens, and after so long without its person; 0: never because of that.
SESSION_COOKIE_AGE = env.integer("SESSION_HOURS", 12, minimum=1, maximum=24 * 30) * 3600
SESSION_IDLE_SECONDS = env.integer("SESSION_IDLE_MINUTES", 60, maximum=24 * 60 * 30) * 60
if 0 < SESSION_IDLE_SECONDS < 300:
    raise ImproperlyConfigured(
        "SESSION_IDLE_MINUTES is less than 5: nobody could read a page. Use 5 or more, or 0 for no limit."
    )
SESSION_WARNING_SECONDS = env.integer("SESSION_WARNING_MINUTES", 5, minimum=1, maximum=60) * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "cmlmanager_session"
CSRF_COOKIE_NAME = "cmlmanager_csrf"
CSRF_COOKIE_HTTPONLY = True  # htmx gets the token from the page
CSRF_FAILURE_VIEW = "cmlmanager.errors.csrf_failure"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_HSTS_SECONDS = env.integer("HSTS_SECONDS", 31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if ALLAUTH_TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    USE_X_FORWARDED_HOST = env.boolean("USE_X_FORWARDED_HOST", False)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        # Signing out is a form, and browsers apply this to where its answer sends them too.
        "form-action": [SELF, *OIDC_ORIGINS],
        "manifest-src": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

# ── Words, times, static files ─────────────────────────────────────────────────────────────────────────────────────
LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(VAR / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# ── AWS and CML ────────────────────────────────────────────────────────────────────────────────────────────────────
AWS_REGIONS = env.names("AWS_REGIONS", "us-east-1")
AWS_ENDPOINT_URL = env.text("AWS_ENDPOINT_URL", "") or None
# Accounts beside or instead of that of the process's own credentials, as a list of objects: see .env.example, workers.aws_accounts.
AWS_ACCOUNTS = env.document("AWS_ACCOUNTS", "[]")
# Whose AMIs a name pattern may mean: accounts, or self. Anybody may publish an AMI under any name.
AMI_OWNERS = env.names("AMI_OWNERS", "self")
# The ways to make a worker that the form offers: a list of objects, see .env.example; checked by cmlmanager.checks.
PROVISIONING = env.document("PROVISIONING", "[]")
# Which address of an instance the portal speaks to, and how an endpoint is made of it.
CML_ADDRESS = env.text("CML_ADDRESS", "public")
if CML_ADDRESS not in {"public", "private"}:
    raise ImproperlyConfigured(f"CML_ADDRESS is {CML_ADDRESS!r}; use public or private.")
CML_PORT = env.integer("CML_PORT", 443, minimum=1, maximum=65_535)
CML_USERNAME = env.text("CML_USERNAME", "")
CML_PASSWORD = env.text("CML_PASSWORD", "")
# Seconds: for a connection, for each wait while reading, and for all of one look at one server.
CML_CONNECT_TIMEOUT: float = env.integer("CML_CONNECT_TIMEOUT", 5, minimum=1, maximum=30)
CML_READ_TIMEOUT: float = env.integer("CML_READ_TIMEOUT", 30, minimum=1, maximum=60)
CML_TOTAL_TIMEOUT: float = env.integer("CML_TOTAL_TIMEOUT", 60, minimum=2, maximum=75)
CML_MAX_ANSWER = env.integer("CML_MAX_ANSWER", 20, minimum=1, maximum=256) * 1024 * 1024  # bytes of one answer
CML_TLS_POLICY = env.text("CML_TLS_POLICY", "system")
if CML_TLS_POLICY not in {"system", "off"}:
    raise ImproperlyConfigured(f"CML_TLS_POLICY is {CML_TLS_POLICY!r}; use system or off. Pins and own CAs are set per worker.")

# ── Settings that administrators change in the portal (cmlmanager.runtime.registry) ──────────────────────────────────
# Those of them that only the environment decides, by name; * fixes all.
SETTINGS_FIXED = env.names("SETTINGS_FIXED")

# ── Refresh (seconds) ──────────────────────────────────────────────────────────────────────────────────────────────
STATE_INTERVAL = env.integer("STATE_INTERVAL", 60, minimum=2, maximum=3600)
METRICS_INTERVAL = env.integer("METRICS_INTERVAL", 300, minimum=10, maximum=3600)
CML_INTERVAL = env.integer("CML_INTERVAL", 300, minimum=5, maximum=3600)
LABS_INTERVAL = env.integer("LABS_INTERVAL", 1800, minimum=10, maximum=86_400)
# Instances that match are imported by themselves: off until a pattern of AMI names or a tag is given.
DISCOVERY_AMI_NAME = env.text("DISCOVERY_AMI_NAME", "").strip()
DISCOVERY_TAG = env.text("DISCOVERY_TAG", "").strip()
DISCOVERY = env.boolean("DISCOVERY", bool(DISCOVERY_AMI_NAME or DISCOVERY_TAG))
DISCOVERY_INTERVAL = env.integer("DISCOVERY_INTERVAL", 3600, minimum=10, maximum=7 * 86_400)
DISCOVERY_REGIONS = env.names("DISCOVERY_REGIONS")  # none named: all
REFRESH_COOLDOWN = env.integer("REFRESH_COOLDOWN", 30, maximum=3600)
USAGE_THRESHOLD = env.integer("USAGE_THRESHOLD", 5, maximum=100)  # percentage points before a change is announced
# Alerts are judged after each refresh; this is for what only time brings about: not ready for too long, old knowledge, expiry.
ALERT_INTERVAL = env.integer("ALERT_INTERVAL", 30, minimum=2, maximum=3600)
SAMPLE_DAYS = env.integer("SAMPLE_DAYS", 7, minimum=1, maximum=400)
ALERT_DAYS = env.integer("ALERT_DAYS", 400, minimum=1, maximum=3660)  # for closed alerts
SAMPLE_HOURLY_DAYS = env.integer("SAMPLE_HOURLY_DAYS", 400, minimum=31, maximum=3660)

# ── Versions of labs ───────────────────────────────────────────────────────────────────────────────────────────────
LABS_NIGHTLY = env.boolean("LABS_NIGHTLY", True)  # back up the labs of every worker once a night
LABS_NIGHTLY_HOUR = env.integer("LABS_NIGHTLY_HOUR", 1, minimum=0, maximum=23)  # UTC
LABS_NIGHTLY_MINUTES = env.integer("LABS_NIGHTLY_MINUTES", 120, minimum=1, maximum=720)  # over which the workers are spread
# Of each lab so many different texts are kept, and none for longer than so many days; the newest version always while the lab is there.
LAB_VERSIONS_KEEP = env.integer("LAB_VERSIONS_KEEP", 30, minimum=1, maximum=1000)
LAB_VERSION_DAYS = env.integer("LAB_VERSION_DAYS", 90, minimum=1, maximum=3660)
LAB_GONE_DAYS = env.integer("LAB_GONE_DAYS", 730, minimum=1, maximum=36_600)  # for the last version of a lab that is gone

# ── Operations (seconds) ───────────────────────────────────────────────────────────────────────────────────────────
# How long a process may hold an operation before it is taken for dead; longer than the hard time limit of workers.run_operation.
OPERATION_LEASE = env.integer("OPERATION_LEASE", 180, minimum=1, maximum=3600)
# After how long a message to Celery that nobody took is taken for lost.
OPERATION_QUEUED_FOR = env.integer("OPERATION_QUEUED_FOR", 30, minimum=1, maximum=3600)

# ── Notifications ──────────────────────────────────────────────────────────────────────────────────────────────────
# Under which address people open the portal, for links in messages; "" leaves links out.
PORTAL_URL = env.text("PORTAL_URL", "").strip().rstrip("/")
# E-mail is off until both EMAIL_HOST and DEFAULT_FROM_EMAIL are set.
EMAIL_HOST = env.text("EMAIL_HOST", "").strip()
EMAIL_PORT = env.integer("EMAIL_PORT", 587, minimum=1, maximum=65_535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_SSL = env.boolean("EMAIL_USE_SSL", False)
EMAIL_USE_TLS = env.boolean("EMAIL_USE_TLS", bool(EMAIL_HOST) and not EMAIL_USE_SSL)
EMAIL_TIMEOUT = env.integer("EMAIL_TIMEOUT", 10, minimum=1, maximum=30)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("DEFAULT_FROM_EMAIL", "").strip()
# Webhooks may go into private networks, and there without TLS; to this machine itself only in the sandbox and in tests.
NOTIFY_PRIVATE_NETWORKS = env.boolean("NOTIFY_PRIVATE_NETWORKS", False)
NOTIFY_LOOPBACK = env.boolean("NOTIFY_LOOPBACK", False)
NOTIFY_BURST = env.integer("NOTIFY_BURST", 10, minimum=1, maximum=1000)  # messages a minute to people; beyond it a digest
NOTIFICATION_DAYS = env.integer("NOTIFICATION_DAYS", 30, minimum=1, maximum=400)

# ── Live updates ───────────────────────────────────────────────────────────────────────────────────────────────────
EVENTSTREAM_CHANNELMANAGER_CLASS = "cmlmanager.live.channels.PermissionChannelManager"
# Channel (the part before the first dot) → the permission that a reader needs.
LIVE_CHANNELS = {
    "fleet": "workers.view_worker",
    "row": "workers.view_worker",
    "worker": "workers.view_worker",
    "operation": "workers.view_worker",
    "operations": "workers.view_worker",
    "alerts": "workers.view_worker",
    "notifications": "workers.view_notificationtarget",
    "settings": "runtime.view_settingvalue",
    "lab": "labs.view_lab",
    "labs": "labs.view_lab",
    "system": "workers.view_worker",
}
# The same for JSON events: what stands after `events.`, and all permissions that a reader needs; "" is `events` alone, which carries all.
LIVE_EVENTS = {
    "": ("workers.view_worker", "labs.view_lab"),
    "worker": ("workers.view_worker", "labs.view_lab"),
    "workers": ("workers.view_worker",),
    "operations": ("workers.view_worker",),
    "alerts": ("workers.view_worker",),
    "labs": ("labs.view_lab",),
    "lab": ("labs.view_lab",),
}
HEARTBEAT_INTERVAL = env.integer("HEARTBEAT_INTERVAL", 10, minimum=1, maximum=60)

# ── API ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Requests a minute of one token, or of one person by session.
API_READS_PER_MINUTE = env.integer("API_READS_PER_MINUTE", 600, minimum=1, maximum=1_000_000)
API_WRITES_PER_MINUTE = env.integer("API_WRITES_PER_MINUTE", 120, minimum=1, maximum=1_000_000)
API_KEY_HOURS = env.integer(
    "API_KEY_HOURS", 24, minimum=1, maximum=24 * 30
)  # for which an idempotency key stands for its request

# ── Background work ────────────────────────────────────────────────────────────────────────────────────────────────
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A request must not wait for a broker that is away: what is due stays due in the database, and beat asks again.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_connect_timeout": 2, "socket_timeout": 10}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1, "interval_step": 0.1, "interval_max": 0.2}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 120
CELERY_TASK_TIME_LIMIT = 150
CELERY_TIMEZONE = "UTC"
# Beat only ticks; services claim in the database what is due, so ticks may come twice, late or not at all. Intervals change while beat runs
# (cmlmanager.runtime), so no tick depends on one: each is short enough for the shortest. A region comes due one tick early, so that two
# looks are never further apart than the interval says.
FLEET_TICK = 1
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "fleet": {"task": "workers.refresh_fleet", "schedule": FLEET_TICK, "options": {"expires": 10}},
    "cml": {"task": "workers.refresh_cml", "schedule": 1, "options": {"expires": 10}},
    "labs": {"task": "labs.refresh_labs", "schedule": 2, "options": {"expires": 10}},
    "labs_nightly": {"task": "labs.back_up_nightly", "schedule": 60, "options": {"expires": 60}},
    "lab_versions": {"task": "labs.prune_versions", "schedule": 3600, "options": {"expires": 3600}},
    "operations": {"task": "workers.sweep_operations", "schedule": 1, "options": {"expires": 5}},
    "alerts": {"task": "workers.tick_alerts", "schedule": 2, "options": {"expires": 10}},
    "license_tokens": {"task": "workers.sweep_license_tokens", "schedule": 60, "options": {"expires": 60}},
    "discovery": {"task": "workers.discover", "schedule": 5, "options": {"expires": 60}},
    "heartbeat": {"task": "workers.heartbeat", "schedule": HEARTBEAT_INTERVAL, "options": {"expires": HEARTBEAT_INTERVAL}},
    "rollup": {"task": "workers.roll_up_samples", "schedule": 600, "options": {"expires": 600}},
    "notifications": {"task": "workers.send_notifications", "schedule": 1, "options": {"expires": 5}},
    "deliveries": {"task": "workers.prune_deliveries", "schedule": 3600, "options": {"expires": 3600}},
    "api_answers": {"task": "api.prune_answers", "schedule": 3600, "options": {"expires": 3600}},
    "sessions": {"task": "accounts.prune_sessions", "schedule": 3600, "options": {"expires": 3600}},
    "retention": {"task": "workers.prune_samples", "schedule": 3600, "options": {"expires": 3600}},
    "system": {"task": "system.check", "schedule": 10, "options": {"expires": 10}},
    "runs": {"task": "system.prune_runs", "schedule": 3600, "options": {"expires": 3600}},
}
for _name, _entry in CELERY_BEAT_SCHEDULE.items():
    _entry["options"]["headers"] = {"cmlmanager_job": _name}  # what beat sends is told from what services send
# Days for which the runs of jobs are kept; of each job no more than 500.
JOB_RUN_DAYS = env.integer("JOB_RUN_DAYS", 30, minimum=1, maximum=400)
# Per cent of free disk space below which the system page warns, and calls it failing.
DISK_FREE_WARNING = env.integer("DISK_FREE_WARNING", 15, minimum=1, maximum=90)
DISK_FREE_FAILING = env.integer("DISK_FREE_FAILING", 5, minimum=0, maximum=90)

# ── Logs ───────────────────────────────────────────────────────────────────────────────────────────────────────────
LOGGING = observability.logging_configuration(json=env.boolean("LOG_JSON", False), level=env.text("LOG_LEVEL", "INFO").upper())
