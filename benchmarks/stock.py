"""Stock Celery: its documentation's first steps, nothing tuned, one queue."""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import os
import time

from celery import Celery

app = Celery("stock", broker=os.environ["STOCK_URL"], backend=os.environ["STOCK_URL"])


@app.task
def pause(sent: float, seconds: float) -> float:
    """Take time; returns the seconds from `sent` to the start."""
    waited = time.time() - sent
    time.sleep(seconds)
    return waited
