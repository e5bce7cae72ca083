"""The HTTP client for tasks: pooled, with time-outs, and with bounded retries.

Threads and greenlets have no soft time limit that would end a task's wait for a server (trap 21): here the wait ends.
"""

import os
from functools import cache
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

#: Seconds. To connect: just above 3, TCP's retransmission window, as the documentation of requests advises.
CONNECT_TIMEOUT: Final = 3.05
#: Seconds between two bytes of an answer.
READ_TIMEOUT: Final = 10.0
#: Connections kept to one host; a gevent worker with more slots opens more and drops them afterwards.
POOL_SIZE: Final = 50

#: Connections that cannot be opened are tried again, up to 3 times within about a second. An answer is never retried
#: here, whatever its status: back-off of minutes belongs to the task, which frees its slot meanwhile.
RETRIES: Final = Retry(
    total=3,
    connect=3,
    read=False,  # as it is, not wrapped in a ConnectionError
    status=0,
    other=0,
    backoff_factor=0.2,
    backoff_jitter=0.2,
    raise_on_status=False,
)


class Session(requests.Session):
    """A session that never waits for ever: `timeout` defaults to (CONNECT_TIMEOUT, READ_TIMEOUT)."""

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """As requests.Session.request; raises requests.Timeout where the server does not answer in time."""
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (CONNECT_TIMEOUT, READ_TIMEOUT)
        return super().request(method, url, *args, **kwargs)


def session() -> Session:
    """The session of this process; made again after a fork, which would share its sockets."""
    return _session(os.getpid())


@cache
def _session(_pid: int) -> Session:
    made = Session()
    adapter = HTTPAdapter(pool_connections=10, pool_maxsize=POOL_SIZE, max_retries=RETRIES)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made
