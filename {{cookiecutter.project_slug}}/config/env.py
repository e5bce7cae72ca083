"""The environment variables of the project itself, and which settings module they select."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from django.core.exceptions import ImproperlyConfigured
from pydantic import BeforeValidator, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from config.addresses import AdminUrl, BrokerUrl, FallbackUrl, RedisUrl, SentinelUrl, is_loopback, split_url, urls
from config.variables import BASE_DIR, Variables, environments_of, in_production, load, loaded, variable

__all__ = [
    "BASE_DIR",
    "Environment",
    "Variables",
    "environment",
    "environments_of",
    "in_production",
    "is_loopback",
    "load",
    "loaded",
    "select_settings",
    "urls",
    "variable",
]

LOCAL_DIR = BASE_DIR / ".local"  # all state of a local run; git ignores it
SETTINGS = {"local": "local", "test": "test", "staging": "production", "production": "production"}


def _split_list(value: object) -> object:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_list)]

PORT: dict[str, Any] = {"ge": 1, "le": 65535}
REDIS_EXPECTED = "a URL with the scheme redis, rediss or sentinel, with a password"


class Environment(Variables):
    """What the project itself reads. Secrets and URLs with a password are SecretStr: they don't show in logs."""

    secret_key: SecretStr = variable(
        "50 or more random characters",
        example="$(python -c 'import secrets; print(secrets.token_urlsafe(48))')",
        about="signs sessions and password-reset links",
        test="only-for-tests-and-therefore-no-secret-of-anybody-0123456789",
        min_length=50,
    )
    allowed_hosts: CommaList = variable(
        "host names separated by commas",
        example="shop.example.com",
        about="the names this site answers to",
        local="localhost,127.0.0.1",
        min_length=1,
    )
    site_url: str = variable(
        "a URL with http or https, without a path",
        example="https://shop.example.com",
        about="the address users open",
        local="http://127.0.0.1:8000",
        pattern=r"^https?://[^/\s]+$",
    )
    tls_ca_file: Path | None = variable(
        "the path of a readable file",
        example="/etc/ssl/certs/internal-ca.pem",
        about="the authority that signs the certificates of brokers, Redis and PostgreSQL",
        default=None,
    )
    data_dir: Path = variable(
        "a directory that the web and the workers of every host share",
        example="/srv/shop/shared",
        about="uploads and models",
        local=LOCAL_DIR,
    )
    database_url: SecretStr = variable(
        "a URL with the scheme postgres (or sqlite, locally)",
        example="postgres://shop:PASSWORD@db.internal:5432/shop",
        about="the database",
        local=f"sqlite:///{LOCAL_DIR / 'db.sqlite3'}",
    )
    # Before the URLs that need it: their validators ask for it.
    sentinel_url: SentinelUrl | None = variable(
        "URLs with the scheme sentinel, with user and password; several separated by ';'",
        example="sentinel://shop:PASSWORD@redis-1.internal:26379",
        about="the Sentinels, for URLs with the scheme sentinel, whose host is a primary's name",
        default=None,
    )
    broker_url: BrokerUrl = variable(
        "URLs with the scheme amqp, amqps, redis, rediss or sentinel, with a password; several separated by ';'",
        example="amqps://shop:PASSWORD@rabbitmq.internal:5671/shop",
        about="carries the messages to the workers",
        test="memory://",
    )
    broker_admin_url: AdminUrl | None = variable(
        "URLs with the scheme https, with user and password; several separated by ';'",
        example="https://shop_deploy:PASSWORD@rabbitmq.internal:15671",
        about="RabbitMQ's management API, for `workers brokers`; only where that runs",
        default=None,
    )
    result_url: RedisUrl = variable(
        REDIS_EXPECTED,
        example="sentinel://shop:PASSWORD@results/0",
        about="keeps the results of tasks",
        test="cache+memory://",
    )
    result_fallback_url: FallbackUrl | None = variable(
        "s3://BUCKET/PREFIX, with ?endpoint= and &region= where it is not Amazon's",
        example="s3://shop-results?endpoint=https://minio.internal:9000&region=eu-central-1",
        about="keeps results while their Redis is away; unset: the database. Credentials: AWS_ACCESS_KEY_ID and so on",
        default=None,
    )
    cache_url: RedisUrl = variable(
        REDIS_EXPECTED, example="sentinel://shop:PASSWORD@cache/0", about="Django's cache", test="locmem://"
    )
    lock_url: RedisUrl = variable(
        REDIS_EXPECTED,
        example="sentinel://shop:PASSWORD@results/1",
        about="the locks that tasks share",
        test="memory://",
    )
    embedded_redis: bool = variable(
        "true or false", example="true", about="whether `make run` starts a Redis at BROKER_URL", default=False
    )
    web_port: int = variable(
        "a port from 1 to 65535",
        example="8000",
        about="where gunicorn listens, on the loopback address",
        default=8000,
        **PORT,
    )
    flower_port: int = variable(
        "a port from 1 to 65535",
        example="5555",
        about="where Flower listens, on the loopback address",
        default=5555,
        **PORT,
    )
    flower_user: str = variable(
        "a user name", example="flower", about="who may open Flower", local="flower", pattern=r"^[^:\s]+$"
    )
    flower_password: SecretStr = variable(
        "12 or more characters", example="(random)", about="with which password", test="only-for-tests", min_length=12
    )
    flower_cookie_secret: SecretStr = variable(
        "32 or more random characters",
        example="(random)",
        about="signs Flower's sessions",
        min_length=32,
        test="only-for-tests-and-therefore-no-secret",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = variable(
        "DEBUG, INFO, WARNING or ERROR",
        example="INFO",
        about="the least important line that is written",
        default="INFO",
    )
    log_format: Literal["json", "console"] = variable(
        "json or console", example="json", about="for machines or for people", local="console", default="json"
    )
    sentry_dsn: SecretStr | None = variable(
        "the address of a Sentry project",
        example="https://KEY@sentry.example.com/1",
        about="where exceptions are reported; unset is off",
        default=None,
    )
    otel_exporter_otlp_endpoint: str | None = variable(
        "an http or https URL",
        example="http://127.0.0.1:4318",
        about="where traces are sent; unset is off",
        default=None,
        pattern=r"^https?://\S+$",
    )
    email_host: str = variable(
        "a host name",
        example="smtp.example.com",
        about="the server that mail is sent through; without one it is written to .local/mail",
        local="",
    )
    email_port: int = variable(
        "a port from 1 to 65535",
        example="587",
        about="465 is TLS from the first byte, others upgrade",
        default=587,
        **PORT,
    )
    email_user: str = variable("a user name", example="shop", about="for the mail server", default="")
    email_password: SecretStr = variable("a password", example="(random)", about="for the mail server", default="")
    default_from_email: str = variable(
        "an e-mail address",
        example="shop@example.com",
        about="who mail comes from",
        local="shop@localhost",
        pattern="@",
    )

    @property
    def is_local(self) -> bool:
        """Whether this is a developer's run."""
        return self.environment == "local"

    @property
    def sentinels(self) -> str:
        """SENTINEL_URL, empty where it is not set."""
        return self.sentinel_url.get_secret_value() if self.sentinel_url else ""

    @field_validator("tls_ca_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not os.access(value, os.R_OK):
            raise ValueError(f"found {str(value)!r}, which cannot be read")
        return value

    @field_validator("site_url")
    @classmethod
    def _encrypted(cls, value: str, info: ValidationInfo) -> str:
        if in_production(info) and not value.startswith("https:"):
            raise ValueError(f"found {value!r}; production is reached with https only")
        return value

    @field_validator("sentry_dsn")
    @classmethod
    def _has_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not split_url(value.get_secret_value()).username:
            raise ValueError("found an address without a key")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        scheme = split_url(value.get_secret_value()).scheme
        if scheme not in {"postgres", "postgresql", "sqlite"}:
            raise ValueError(f"found the scheme {scheme!r}")
        if scheme == "sqlite" and in_production(info):
            raise ValueError("found 'sqlite', a file on one host, which production refuses")
        return value

    @field_validator("embedded_redis")
    @classmethod
    def _only_in_development(cls, value: bool, info: ValidationInfo) -> bool:
        if value and in_production(info):
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
