"""Sends a task: `python -m tests.delivery.send NAME TIMES KWARGS OPTIONS`, both as JSON; prints the ids."""

import json
import sys

from tests.delivery.work import app


def main(name: str, times: str, kwargs: str, options: str) -> None:
    """Send it."""
    task = app.tasks[name]
    sent = [task.apply_async(kwargs=json.loads(kwargs), **json.loads(options)) for _ in range(int(times))]
    sys.stdout.write(json.dumps([result.id for result in sent]))


if __name__ == "__main__":
    import django

    django.setup()
    main(*sys.argv[1:])
