"""Customers of the shop, from outside: `python customers.py CONFIG` orders until standard input is closed.

Runs in the fleet's network; standard library only. Prints "started" when it has begun, and at the end what became of
each request and of everything that was accepted. Each request is a connection of its own: a refused one would be seen.
"""

import http.client
import json
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final

#: Seconds a customer waits for an answer.
PATIENCE: Final = 30
#: Seconds between two looks at what was ordered.
LOOK: Final = 0.5
#: Seconds within which all that was accepted is finished after the last order.
DRAIN: Final = 120
CUSTOMERS: Final = 2
#: What is sent with a file.
_BOUNDARY: Final = "of-a-file-and-nothing-else"

State = dict[str, Any]


class Site(http.client.HTTPSConnection):
    """The site at one of its addresses, by its own name."""

    def __init__(self, name: str, address: str, context: ssl.SSLContext) -> None:
        """Name it; nothing is opened."""
        super().__init__(name, timeout=PATIENCE)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        """Open the connection, and verify the name."""
        plain = socket.create_connection((self._address, 443), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


@dataclass
class Shop:
    """The API, asked at its addresses in turn."""

    name: str
    addresses: list[str]
    token: str
    context: ssl.SSLContext
    requests: int = 0
    longest: float = 0
    failed: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> State | None:
        """The answer, or None where there was none that counts: that is noted."""
        with self._lock:
            self.requests += 1
            address = self.addresses[self.requests % len(self.addresses)]
        began = time.monotonic()
        site = Site(self.name, address, self.context)
        try:
            site.request(method, f"/api/{path}", body, {"Authorization": f"Bearer {self.token}", **headers})
            answer = site.getresponse()
            text = answer.read()
            if answer.status < 300:
                found: State = json.loads(text)
                return found
            problem = f"{answer.status} {text[:200]!r}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
        finally:
            site.close()
            with self._lock:
                self.longest = max(self.longest, time.monotonic() - began)
        with self._lock:
            self.failed.append(f"{time.strftime('%H:%M:%S')} {method} {path} at {address}: {problem}")
        return None

    def post(self, path: str, body: State, **headers: str) -> State | None:
        """Send JSON."""
        return self.ask("POST", path, json.dumps(body).encode(), **{"Content-Type": "application/json", **headers})

    def upload(self, path: str, file: Path) -> State | None:
        """Send a file."""
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'
        body = head.encode() + file.read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()
        return self.ask("POST", path, body, **{"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"})


@dataclass
class Customers:
    """What they do until it is over, and what of it is open."""

    shop: Shop
    token: str
    over: Event = field(default_factory=Event)
    accepted: dict[str, int] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    _numbers: Any = field(default_factory=count)
    _lock: Lock = field(default_factory=Lock)

    def order(self, skus: list[str]) -> None:
        """One order after the other, each looked at until it is finished."""
        while not self.over.is_set():
            number = next(self._numbers)
            body = {
                "email": f"customer-{number}@example.org",
                "card_token": f"tok_{self.token}{number:05}1",  # its own; one that ends in 0 is declined
                "lines": [{"sku": skus[number % len(skus)], "quantity": 1}],
            }
            self._follow("orders", self.shop.post("orders", body, **{"Idempotency-Key": f"{self.token}-{number}"}))

    def slip(self, picture: Path) -> None:
        """One picture after the other: the group ml."""
        while not self.over.wait(LOOK):
            self._follow("slips", self.shop.upload("slips", picture))

    def report(self) -> None:
        """One report after the other: the group batch."""
        while not self.over.wait(LOOK):
            self._follow("reports", self.shop.post("reports", {}))

    def stock(self, catalogue: Path) -> None:
        """Bring the products; returns when they are there."""
        self._follow("imports", self.shop.upload("imports", catalogue))

    def _follow(self, kind: str, state: State | None) -> None:
        if state is None:
            time.sleep(LOOK)
            return
        path = f"{kind}/{state['id']}"
        with self._lock:
            self.accepted[kind] = self.accepted.get(kind, 0) + 1
            self.open[path] = str(state)
        until = time.monotonic() + DRAIN
        while not state["finished"] and time.monotonic() < until:
            time.sleep(LOOK)
            state = self.shop.ask("GET", path) or state
            self.open[path] = str(state)
        if state["finished"]:
            with self._lock:
                del self.open[path]


def main(file: str) -> None:
    """Order, until standard input is closed."""
    config = json.loads(Path(file).read_text(encoding="utf-8"))
    context = ssl.create_default_context(cafile=config["authority"])
    customers = Customers(Shop(config["site"], config["addresses"], config["token"], context), config["run"])
    catalogue = Path(config["catalogue"])
    customers.stock(catalogue)
    skus = [line.partition(",")[0] for line in catalogue.read_text(encoding="utf-8").splitlines()[1:]]
    threads = [Thread(target=customers.order, args=(skus,)) for _ in range(CUSTOMERS)]
    threads += [Thread(target=customers.slip, args=(Path(config["slip"]),)), Thread(target=customers.report)]
    for thread in threads:
        thread.start()
    print("started", flush=True)  # noqa: T201 - whoever started it waits for this
    sys.stdin.read()
    customers.over.set()
    for thread in threads:
        thread.join()
    shop = customers.shop
    told = {"requests": shop.requests, "failed": shop.failed, "longest": shop.longest}
    print(json.dumps({**told, "accepted": customers.accepted, "open": customers.open}))  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(sys.argv[1])
