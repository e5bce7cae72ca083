"""The embedded Redis of a local run and nothing else, until its input ends."""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import sys

from config.env import LOCAL_DIR, environment, select_settings
from workers.local.redis_server import embedded_redis

if __name__ == "__main__":
    select_settings()
    with embedded_redis(environment().broker_url.get_secret_value(), LOCAL_DIR / "redis"):
        print("ready", flush=True)
        sys.stdin.read()
