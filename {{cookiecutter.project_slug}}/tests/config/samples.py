"""Values for the tests of config/."""

from collections.abc import Callable

from config.env import Variables

# What a production host sets; every value is as good as a real one, and none is one.
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "k3yABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678",
    "ALLOWED_HOSTS": "shop.example.com",
    "SITE_URL": "https://shop.example.com",
    "DATA_DIR": "/srv/shop/shared",
    "DATABASE_URL": "postgres://shop:pw@db.internal:5432/shop",
    "BROKER_URL": "amqps://shop:pw@r1.internal:5671/shop;amqps://shop:pw@r2.internal:5671/shop",
    "RESULT_URL": "rediss://:pw@redis.internal:6379/1",
    "CACHE_URL": "rediss://:pw@redis.internal:6379/2",
    "LOCK_URL": "rediss://:pw@redis.internal:6379/3",
    "FLOWER_USER": "flower",
    "FLOWER_PASSWORD": "a-password-of-flower",
    "FLOWER_COOKIE_SECRET": "a-cookie-secret-of-flower-0123456789",
    "EMAIL_HOST": "smtp.example.com",
    "DEFAULT_FROM_EMAIL": "shop@example.com",
}

LOCAL = {
    "SECRET_KEY": PRODUCTION["SECRET_KEY"],
    "BROKER_URL": "redis://:pw@127.0.0.1:6399/0",
    "RESULT_URL": "redis://:pw@127.0.0.1:6399/1",
    "CACHE_URL": "redis://:pw@127.0.0.1:6399/2",
    "LOCK_URL": "redis://:pw@127.0.0.1:6399/3",
    "FLOWER_PASSWORD": PRODUCTION["FLOWER_PASSWORD"],
    "FLOWER_COOKIE_SECRET": PRODUCTION["FLOWER_COOKIE_SECRET"],
}

# The fixture `variables_are`: a base and what differs from it.
SetEnvironment = Callable[..., None]


def app_values(kinds: list[type[Variables]]) -> dict[str, str]:
    """Give every variable that some app may require in production a value that will do."""
    examples = {
        name.upper(): str((field.examples or [""])[0])
        for kind in kinds
        for name, field in kind.model_fields.items()
        if field.is_required() or field.default is None
    }
    return {name: example if "/" in example else "x" * 64 for name, example in examples.items()}
