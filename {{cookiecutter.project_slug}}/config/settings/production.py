"""Staging and production: behind a proxy that ends TLS. `manage.py check --deploy` has nothing to say about it."""

from config.env import environment, require
from config.settings.base import *
from config.settings.mail import smtp
from config.settings.security import content_security_policy

require("staging", "production")

DEBUG = False

# The proxy overwrites this header; gunicorn listens on the loopback address, so nobody else can send it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-sessionid"  # the prefix: browsers take it from this host over TLS only
CSRF_COOKIE_NAME = "__Host-csrftoken"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = content_security_policy()

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # The name holds a hash of the content, so browsers may keep it for ever. Needs `manage.py collectstatic`.
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

globals().update(smtp(environment()))
