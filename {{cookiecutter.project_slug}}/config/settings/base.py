"""What holds in every environment: applications, middleware, pages. A concern with more to say has its own file."""

import tomllib

import django_stubs_ext

from config.env import BASE_DIR, Environment, environment, environments_of, load
from config.settings.cache import cache_options
from config.settings.database import database_options
from telemetry.logs import django_logging

# The project's own apps. The one line outside an app that names it: its urls.py, env.py, schedule.py and tasks/ are
# found by their names.
PROJECT_APPS = ["shop"]

django_stubs_ext.monkeypatch()  # ModelAdmin[Order] and the like work at run time as they do for the type checker

# All of them at once, so that one report names everything that is missing.
load(Environment, *environments_of(PROJECT_APPS))
_env = environment()

# Title, e-mail address and time zone of the project: the answers given when it was made.
PROJECT = tomllib.loads((BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["project"]

SECRET_KEY = _env.secret_key.get_secret_value()
ALLOWED_HOSTS = list(_env.allowed_hosts)
SITE_URL = _env.site_url

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",  # before staticfiles: runserver serves static files as production does
    "django.contrib.staticfiles",
    "csp",
    "workers",
    "workers.beat",
    "workers.delivery",
    *PROJECT_APPS,
]

MIDDLEWARE = [
    "config.health.HealthMiddleware",  # first: a probe has no host name, no session and no TLS
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",  # early, so that everything below logs the request_id
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "workers.delivery.pressure.middleware.BackPressureMiddleware",  # last: what a view raises comes here first
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.pages.frame",
            ],
        },
    },
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

DATABASES = {"default": database_options(_env)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": cache_options(_env)}
LOGGING_CONFIG = "telemetry.logs.configure"
LOGGING = django_logging(_env)
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False  # addresses and users are personal data, and the
DJANGO_STRUCTLOG_USER_ID_FIELD = None  # user would be a query for every request that needs none

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
TIME_ZONE = PROJECT["timezone"]
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
DATA_DIR = _env.data_dir
MEDIA_ROOT = DATA_DIR / "media"
MEDIA_URL = "media/"

ADMINS = [(PROJECT["title"], PROJECT["email"])]
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _env.default_from_email
