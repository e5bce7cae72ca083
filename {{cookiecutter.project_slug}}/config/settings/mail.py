"""Sending mail through a server."""

from config.env import Environment


def smtp(env: Environment) -> dict[str, object]:
    """Django's EMAIL_* settings for the server that EMAIL_HOST names."""
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": env.email_host,
        "EMAIL_PORT": env.email_port,
        "EMAIL_HOST_USER": env.email_user,
        "EMAIL_HOST_PASSWORD": env.email_password.get_secret_value(),
        "EMAIL_USE_SSL": env.email_port == 465,  # noqa: PLR2004 (the port of implicit TLS; all others upgrade)
        "EMAIL_USE_TLS": env.email_port != 465,  # noqa: PLR2004
        "EMAIL_TIMEOUT": 10,  # seconds; Django waits for ever otherwise
    }
