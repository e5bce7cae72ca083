"""Where the management API of this project's RabbitMQ is."""

from urllib.parse import SplitResult

from django.core.exceptions import ImproperlyConfigured

from config.env import Environment, urls
from workers.brokers.rabbitmq.api import PORTS, Api

MISSING = (
    "BROKER_ADMIN_URL: not set; expected the management API of each RabbitMQ node with a user who may look or declare; "
    "for example BROKER_ADMIN_URL=https://shop_deploy:PASSWORD@r1.internal:15671;https://shop_deploy:PASSWORD@r2.internal:15671"
)


def api(env: Environment) -> Api:
    """The API at BROKER_ADMIN_URL; locally without one, at the plain port of the host and with the user of BROKER_URL.

    Raises ImproperlyConfigured where it is not known.
    """
    if env.broker_admin_url:
        return Api(urls(env.broker_admin_url), env.tls_ca_file)
    if not env.is_local:
        raise ImproperlyConfigured(MISSING)
    return Api([_beside(url) for url in urls(env.broker_url)], env.tls_ca_file)


def virtual_host(env: Environment) -> str:
    """The name in BROKER_URL; RabbitMQ's own default is "/"."""
    return urls(env.broker_url)[0].path.removeprefix("/") or "/"


def _beside(url: SplitResult) -> SplitResult:
    credentials = f"{url.username or 'guest'}:{url.password or 'guest'}"
    return url._replace(scheme="http", netloc=f"{credentials}@{url.hostname}:{PORTS['http']}", path="")
