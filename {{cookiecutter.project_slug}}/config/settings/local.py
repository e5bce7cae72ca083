"""A developer's machine: debug pages, mail in files, no TLS."""

from config.env import LOCAL_DIR, environment, require
from config.settings.base import *
from config.settings.mail import smtp
from config.settings.security import content_security_policy
from workers.process import current_group

require("local")

# The debug pages are the web's; in a worker DEBUG would only collect every query.
DEBUG = current_group() is None

CONTENT_SECURITY_POLICY = content_security_policy()
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = LOCAL_DIR / "mail"
if environment().email_host:
    globals().update(smtp(environment()))
