"""Addresses of services: which are accepted where, without ever showing the password in them."""

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import AfterValidator, SecretStr, ValidationInfo

from config.variables import in_production

TLS_SCHEMES = frozenset({"amqps", "rediss", "https"})
REDIS_SCHEMES = frozenset({"redis", "rediss", "sentinel"})
BROKER_SCHEMES = REDIS_SCHEMES | {"amqp", "amqps"}
ADMIN_SCHEMES = frozenset({"http", "https"})
# A test that means a real service says so; all others must not reach a developer's.
TEST_SCHEMES = frozenset({"memory", "cache+memory", "locmem"})


def is_loopback(host: str | None) -> bool:
    """Whether the host is this machine itself."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def urls(value: SecretStr) -> list[SplitResult]:
    """Split a variable that may hold several URLs, separated by semicolons."""
    return [split_url(url.strip()) for url in value.get_secret_value().split(";") if url.strip()]


def split_url(url: str) -> SplitResult:
    """Split a URL; messages of urlsplit would show pieces of a password that breaks it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if not parts.scheme or "://" not in url:
        raise ValueError("found what is no URL (in a password write / @ : as %2F %40 %3A)")
    return parts


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
    if info.data.get("environment") == "test" and url.scheme in TEST_SCHEMES:
        return
    if url.scheme not in schemes:
        raise ValueError(f"found the scheme {url.scheme!r}")
    if not url.hostname:
        raise ValueError("found a URL without a host")
    if url.scheme == "sentinel":
        _check_sentinel(url, info)
    if not in_production(info):
        return
    if not url.password:
        raise ValueError("found a URL without a password, which production refuses")
    # Sentinel's scheme has no TLS form: there a CA file says that the connection is encrypted.
    encrypted = url.scheme in TLS_SCHEMES or (url.scheme == "sentinel" and info.data.get("tls_ca_file"))
    if not encrypted and not is_loopback(url.hostname):
        raise ValueError(f"found {url.scheme!r} to another host without TLS, which production refuses")


def _check_sentinel(url: SplitResult, info: ValidationInfo) -> None:
    if info.field_name == "sentinel_url":
        return
    if not info.data.get("sentinel_url"):
        raise ValueError("found the scheme 'sentinel', but no valid SENTINEL_URL, which says where Sentinels are")
    if url.port:
        raise ValueError("found a port; behind Sentinels the host is the primary's name, SENTINEL_URL has addresses")


def _fallback(value: str, info: ValidationInfo) -> str:
    url = split_url(value)
    if url.scheme != "s3":
        raise ValueError(f"found the scheme {url.scheme!r}")
    if not url.netloc:
        raise ValueError("found a URL without a bucket")
    if "@" in url.netloc:
        raise ValueError("found a login; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY have it, or the role of the host")
    query = parse_qs(url.query)
    if unknown := sorted(query.keys() - {"endpoint", "region"}):
        raise ValueError(f"found {unknown[0]!r}, which is neither endpoint nor region")
    for endpoint in query.get("endpoint", ()):
        _check_endpoint(endpoint, info)
    return value


def _check_endpoint(endpoint: str, info: ValidationInfo) -> None:
    url = split_url(endpoint if "://" in endpoint else f"none://{endpoint}")
    if url.scheme not in ADMIN_SCHEMES or not url.hostname:
        raise ValueError("found an endpoint that is no http or https URL")
    if in_production(info) and url.scheme != "https" and not is_loopback(url.hostname):
        raise ValueError("found an endpoint on another host without TLS, which production refuses")


def _broker(value: SecretStr, info: ValidationInfo) -> SecretStr:
    return _check_url(value, BROKER_SCHEMES, info)


def _redis(value: SecretStr, info: ValidationInfo) -> SecretStr:
    return _check_url(value, REDIS_SCHEMES, info)


def _sentinel(value: SecretStr, info: ValidationInfo) -> SecretStr:
    return _check_url(value, frozenset({"sentinel"}), info)


def _admin(value: SecretStr, info: ValidationInfo) -> SecretStr:
    return _check_url(value, ADMIN_SCHEMES, info)


BrokerUrl = Annotated[SecretStr, AfterValidator(_broker)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis)]
SentinelUrl = Annotated[SecretStr, AfterValidator(_sentinel)]
AdminUrl = Annotated[SecretStr, AfterValidator(_admin)]
FallbackUrl = Annotated[str, AfterValidator(_fallback)]
