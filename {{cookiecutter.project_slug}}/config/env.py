"""The environment variables of the project itself, and which settings module they select."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured
from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from config.variables import BASE_DIR, DEVELOPMENT, Variables, in_production, load, loaded, variable

__all__ = ["BASE_DIR", "Environment", "Variables", "environment", "load", "loaded", "select_settings", "variable"]

LOCAL_DIR = BASE_DIR / ".local"  # all state of a local run; git ignores it
TLS_SCHEMES = frozenset({"amqps", "rediss"})
SETTINGS = {"local": "local", "test": "test", "staging": "production", "production": "production"}


def _split_list(value: object) -> object:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def is_loopback(host: str | None) -> bool:
    """Whether the host is this machine itself."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def urls(value: SecretStr) -> list[SplitResult]:
    """The URLs of a variable that may hold several, separated by semicolons."""
    return [urlsplit(url.strip()) for url in value.get_secret_value().split(";") if url.strip()]


def _check_url(value: SecretStr, schemes: frozenset[str], info: ValidationInfo) -> SecretStr:
    parts = urls(value)
    if not parts:
        raise ValueError("found no URL")
    for url in parts:
        _check_parts(url, schemes, info)
    if len({url.scheme for url in parts}) > 1:
        raise ValueError("found URLs with different schemes")
    return value


def _check_parts(url: SplitResult, schemes: frozenset[str], info: ValidationInfo) -> None:
    if info.data.get("environment") == "test" and url.scheme in {"memory", "cache+memory", "locmem"}:
        return
    if url.scheme not in schemes:
        raise ValueError(f"found the scheme {url.scheme!r}")
    _ = url.port  # raises a ValueError of its own when it is not a port number
    if not url.hostname:
        raise ValueError("found a URL without a host")
    if not in_production(info):
        return
    if not url.password:
        raise ValueError("found a URL without a password, which production refuses")
    # Sentinel's scheme has no TLS form: there a CA file says that the connection is encrypted.
    encrypted = url.scheme in TLS_SCHEMES or (url.scheme == "sentinel" and info.data.get("tls_ca_file"))
    if not encrypted and not is_loopback(url.hostname):
        raise ValueError(f"found {url.scheme!r} to another host without TLS, which production refuses")


def _broker(value: SecretStr, info: ValidationInfo) -> SecretStr:
    return _check_url(value, frozenset({"amqp", "amqps", "redis", "rediss", "sentinel"}), info)


def _redis(value: SecretStr, info: ValidationInfo) -> SecretStr:
    return _check_url(value, frozenset({"redis", "rediss", "sentinel"}), info)


BrokerUrl = Annotated[SecretStr, AfterValidator(_broker)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis)]
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_list)]

PORT = {"ge": 1, "le": 65535}
REDIS_EXPECTED = "a URL with the scheme redis, rediss or sentinel, with a password"


class Environment(Variables):
    """What the project itself reads. Secrets and URLs with a password are SecretStr: they don't show in logs."""

    secret_key: SecretStr = variable(
        "50 or more random characters", example="(python -c 'import secrets; print(secrets.token_urlsafe(48))')",
        test="only-for-tests-and-therefore-no-secret-of-anybody-0123456789", min_length=50,
    )  # fmt: skip
    allowed_hosts: CommaList = variable(
        "host names separated by commas", example="shop.example.com", local="localhost,127.0.0.1", min_length=1
    )
    site_url: str = variable(
        "the address users open, with http or https", example="https://shop.example.com",
        local="http://127.0.0.1:8000", pattern=r"^https?://[^/\s]+$",
    )  # fmt: skip
    tls_ca_file: Path | None = variable(
        "the path of a readable file", example="/etc/ssl/certs/internal-ca.pem", default=None
    )
    data_dir: Path = variable(
        "a directory that the web and the workers of every host share (uploads, models)",
        example="/srv/shop/shared", local=LOCAL_DIR,
    )  # fmt: skip
    database_url: SecretStr = variable(
        "a URL with the scheme postgres (or sqlite, locally)", example="postgres://shop:PASSWORD@db.internal:5432/shop",
        local=f"sqlite:///{LOCAL_DIR / 'db.sqlite3'}",
    )  # fmt: skip
    broker_url: BrokerUrl = variable(
        "URLs with the scheme amqp, amqps, redis, rediss or sentinel, with a password; several separated by ';'",
        example="amqps://shop:PASSWORD@rabbitmq.internal:5671/shop", test="memory://",
    )  # fmt: skip
    result_url: RedisUrl = variable(
        REDIS_EXPECTED, example="rediss://:PASSWORD@redis.internal:6379/1", test="cache+memory://"
    )
    cache_url: RedisUrl = variable(
        REDIS_EXPECTED, example="rediss://:PASSWORD@redis.internal:6379/2", test="locmem://"
    )
    lock_url: RedisUrl = variable(
        REDIS_EXPECTED, example="rediss://:PASSWORD@redis.internal:6379/3", test="memory://"
    )
    sentinel_master: str = variable("the name the Sentinels know the primary by", example="mymaster", default="mymaster")
    embedded_redis: bool = variable("true or false", example="true", default=False)
    web_port: int = variable("a port from 1 to 65535", example="8000", default=8000, **PORT)
    flower_port: int = variable("a port from 1 to 65535", example="5555", default=5555, **PORT)
    flower_user: str = variable("a user name", example="flower", local="flower", pattern=r"^[^:\s]+$")
    flower_password: SecretStr = variable(
        "12 or more characters", example="(random)", test="only-for-tests", min_length=12
    )
    flower_cookie_secret: SecretStr = variable(
        "32 or more random characters", example="(random)", min_length=32,
        test="only-for-tests-and-therefore-no-secret",
    )  # fmt: skip
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = variable(
        "DEBUG, INFO, WARNING or ERROR", example="INFO", default="INFO"
    )
    log_format: Literal["json", "console"] = variable("json or console", example="json", local="console", default="json")
    sentry_dsn: SecretStr | None = variable("a DSN", example="https://KEY@sentry.example.com/1", default=None, secret=True)
    otel_exporter_otlp_endpoint: str | None = variable(
        "an http or https URL", example="http://127.0.0.1:4318", default=None, pattern=r"^https?://\S+$"
    )
    email_host: str | None = variable("a host name", example="smtp.example.com", default=None)
    email_port: int = variable("a port from 1 to 65535", example="587", default=587, **PORT)
    email_user: str = variable("a user name", example="shop", default="")
    email_password: SecretStr = variable("a password", example="(random)", default="")
    default_from_email: str = variable("an e-mail address", example="shop@example.com", local="shop@localhost", pattern="@")

    @property
    def is_local(self) -> bool:
        """Whether this is a developer's run."""
        return self.environment == "local"

    @field_validator("tls_ca_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not os.access(value, os.R_OK):
            raise ValueError(f"found {str(value)!r}, which cannot be read")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        scheme = urlsplit(value.get_secret_value()).scheme
        if scheme not in {"postgres", "postgresql", "sqlite"}:
            raise ValueError(f"found the scheme {scheme!r}")
        if scheme == "sqlite" and in_production(info):
            raise ValueError("found 'sqlite', a file on one host, which production refuses")
        return value

    @field_validator("embedded_redis")
    @classmethod
    def _only_in_development(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("environment") not in DEVELOPMENT:
            raise ValueError("found true, but the embedded Redis is for ENVIRONMENT=local and test only")
        return value


def environment() -> Environment:
    """The project's variables, read and checked once a process."""
    return loaded(Environment)


def select_settings() -> None:
    """Default DJANGO_SETTINGS_MODULE to the settings that ENVIRONMENT asks for."""
    name = loaded(Variables).environment
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"config.settings.{SETTINGS[name]}")


def require(*names: str) -> None:
    """Refuse settings that do not belong to ENVIRONMENT: production's with a developer's secrets, say."""
    name = loaded(Variables).environment
    if name not in names:
        module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
        message = f"{module} is for ENVIRONMENT={' or '.join(names)}, but ENVIRONMENT={name}"
        raise ImproperlyConfigured(message)
