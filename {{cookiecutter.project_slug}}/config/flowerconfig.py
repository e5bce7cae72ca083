"""Flower, the page that shows workers and tasks. Read by `celery -A config flower --conf=config/flowerconfig.py`."""

from config.env import environment

_env = environment()

# This machine only: /metrics and /healthcheck ask for no password. In production a proxy with TLS stands before it.
address = "127.0.0.1"
port = _env.flower_port

# Flower's page can stop workers and run tasks.
basic_auth = [f"{_env.flower_user}:{_env.flower_password.get_secret_value()}"]
# Fixed, so that a restart logs nobody out.
cookie_secret = _env.flower_cookie_secret.get_secret_value()

# Tasks kept in memory; the default of 100000 grows to gigabytes.
max_tasks = 5000
# Events cost production 40 % of its throughput, so workers send them locally only (workers/derive/celery_settings.py).
enable_events = _env.is_local

# Not Tornado's own format: the project's logging stays.
logging = "none"
