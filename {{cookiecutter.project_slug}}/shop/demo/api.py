"""A customer of the shop's API."""

from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

TIMEOUT = 30  # seconds
# One for each of its threads, and some to spare: a connection that is thrown away has to be made again.
CONNECTIONS = 20


class ApiError(Exception):
    """The shop did not answer, or refused."""


class Api:
    """The API of a running shop; its methods may be called from many threads."""

    def __init__(self, site: str, token: str) -> None:
        self._site = site
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._session.mount(site, HTTPAdapter(pool_maxsize=CONNECTIONS))

    def get(self, path: str) -> dict[str, Any]:
        """Ask how far something has come."""
        return self._call("GET", path)

    def post(self, path: str, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Send JSON, under an Idempotency-Key if there is one."""
        return self._call("POST", path, json=body, headers={"Idempotency-Key": key} if key else {})

    def upload(self, path: str, file: Path, **fields: str) -> dict[str, Any]:
        """Send a file."""
        return self._call("POST", path, files={"file": (file.name, file.read_bytes())}, data=fields)

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        address = f"{self._site}/api/{path}"
        try:
            response = self._session.request(method, address, timeout=TIMEOUT, **options)
        except requests.RequestException as error:
            problem = f"nothing answers at {self._site} ({type(error).__name__}): is the project running?"
            raise ApiError(problem) from error
        if not response.ok:
            raise ApiError(f"{method} {address} answered {response.status_code}: {response.text[:300]}")
        answer: dict[str, Any] = response.json()
        return answer
