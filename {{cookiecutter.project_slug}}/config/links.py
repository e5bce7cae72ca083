"""Where this process finds its broker and stores, as its environment says."""

from config.env import environment
from workers.derive.celery_settings import Links


def links() -> Links:
    """The URLs of the environment's variables."""
    env = environment()
    return Links(
        broker_url=env.broker_url.get_secret_value(),
        result_url=env.result_url.get_secret_value(),
        lock_url=env.lock_url.get_secret_value(),
        ca_file=env.tls_ca_file,
        sentinel_url=env.sentinels,
        fallback_url=env.result_fallback_url or "",
    )
