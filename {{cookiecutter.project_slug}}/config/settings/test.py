"""Tests: no .env, no services, quick."""

import os

# Before anything reads it: pytest imports this module first, and what tests start inherits it.
os.environ["ENVIRONMENT"] = "test"

from config.settings.base import *
from config.settings.security import content_security_policy

DEBUG = False
CONTENT_SECURITY_POLICY = content_security_policy()
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one takes a third of a second
WHITENOISE_AUTOREFRESH = True  # read static files where they lie: no collectstatic before tests
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
