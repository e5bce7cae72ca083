"""RabbitMQ's management API: several nodes, verified TLS, and no call that waits for ever."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote

import requests

from workers.brokers.reasons import reason

#: Seconds to open a connection to a node; the next one is asked after that.
CONNECT_TIMEOUT: Final = 1.0
#: Seconds an answer may take: a quorum queue is declared on three nodes within 0.1 s, in an election within two.
ANSWER_TIMEOUT: Final = 5.0

PORTS: Final = {"http": 15672, "https": 15671}
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
#: What is said to a login that is wrong. One that is right and may not do what it asks for is told another reason,
#: under the same status.
WRONG_LOGIN: Final = "Not_Authorized"


class ApiError(Exception):
    """The API refused, or no node answered; the message says what to do."""


class NotAllowedError(ApiError):
    """The user may not do this."""


class NobodyAnswersError(ApiError):
    """None of the nodes answered: it may help to try again."""


@dataclass
class Api:
    """The API of the nodes at `urls`, asked in their order, the one first that answered last."""

    urls: Sequence[SplitResult]
    ca_file: Path | None
    answer_timeout: float = ANSWER_TIMEOUT
    deadline: float = inf
    """The moment, of time.monotonic, after which nobody is asked any more."""
    _session: requests.Session = field(default_factory=requests.Session)

    def get(self, *path: str, **query: str) -> Any:
        """What the API says of `path`; None where there is nothing."""
        answer = self._ask("GET", path, query=query)
        return None if answer.status_code == NOT_FOUND else answer.json()

    def put(self, *path: str, body: dict[str, Any]) -> None:
        """Make, or change, what `path` names."""
        _found(self._ask("PUT", path, body), path)

    def post(self, *path: str, body: dict[str, Any]) -> None:
        """Add to what `path` names."""
        _found(self._ask("POST", path, body), path)

    def _ask(
        self, method: str, path: Sequence[str], body: dict[str, Any] | None = None, query: dict[str, str] | None = None
    ) -> requests.Response:
        failures = []
        for url in list(self.urls):
            try:
                answer = self._ask_one(url, method, path, body, query)
            except requests.RequestException as error:
                failures.append(f"{node(url)} {reason(error)}")
                continue
            self.urls = [url, *(other for other in self.urls if other is not url)]
            return _checked(answer, url, path)
        raise NobodyAnswersError("; ".join(failures))

    def _ask_one(
        self,
        url: SplitResult,
        method: str,
        path: Sequence[str],
        body: dict[str, Any] | None,
        query: dict[str, str] | None,
    ) -> requests.Response:
        left = self.deadline - monotonic()
        if left <= 0:
            raise requests.Timeout(TimeoutError())
        return self._session.request(
            method,
            f"{url.scheme}://{node(url)}/api/{'/'.join(quote(part, safe='') for part in path)}",
            auth=(unquote(url.username or ""), unquote(url.password or "")),
            json=body,
            params=query,
            timeout=(min(CONNECT_TIMEOUT, left), min(self.answer_timeout, left)),
            verify=str(self.ca_file) if self.ca_file else True,
            allow_redirects=False,
        )


def node(url: SplitResult) -> str:
    """Host and port of a node's API."""
    return f"{url.hostname}:{url.port or PORTS[url.scheme]}"


def _checked(answer: requests.Response, url: SplitResult, path: Sequence[str]) -> requests.Response:
    if answer.status_code == UNAUTHORIZED and _told(answer) == WRONG_LOGIN:
        raise ApiError(f"{node(url)} refuses the user {url.username!r} or the password")
    if answer.status_code in (UNAUTHORIZED, FORBIDDEN):
        what = f"{'/'.join(path)}: {_told(answer)}"
        raise NotAllowedError(f"{node(url)} does not let the user {url.username!r} do this ({what})")
    if answer.status_code != NOT_FOUND and not answer.ok:
        raise ApiError(f"{node(url)} refuses {'/'.join(path)}: {_told(answer)}")
    return answer


def _found(answer: requests.Response, path: Sequence[str]) -> None:
    if answer.status_code == NOT_FOUND:
        raise ApiError(f"has nothing to put {'/'.join(path)} into: {_told(answer)}")


def _told(answer: requests.Response) -> str:
    """What the API itself says is wrong."""
    try:
        said = answer.json()
    except ValueError:
        return f"status {answer.status_code}"
    return str(said.get("reason") or said.get("error"))
