"""Two hundred who want one claim at one moment: `python -m tests.delivery.race STORE`; prints what they were told."""

import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

#: Threads of this process; the test starts several.
THREADS = 50


def main(store_name: str, key: str) -> None:
    """Race, and print how many got which answer."""
    from workers.delivery.idempotency.decorator import STORES
    from workers.delivery.idempotency.stores import Holder

    store, gate = STORES[store_name](), Barrier(THREADS)

    def race(number: int) -> str:
        from django.db import connection

        connection.ensure_connection()
        gate.wait(30)
        try:
            return type(store.take(key, Holder(f"{os.getpid()} {number}"), 60)).__name__
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        told = Counter(pool.map(race, range(THREADS)))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    import django

    django.setup()
    sys.stdin.readline()  # all processes are ready
    main(*sys.argv[1:])
