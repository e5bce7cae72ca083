"""A real order through every group, from outside: python -m shop.smoke --site https://shop.example.com.

What it needs to know that is secret comes in the environment: SHOP_API_TOKEN. Nothing of the project is imported, so it
runs wherever Python does. It leaves a product that costs a cent, an order and an import behind.
"""

import argparse
import http.client
import json
import os
import socket
import ssl
import struct
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

#: Seconds between two looks at something that is under way, and for one answer.
LOOK: Final = 0.25
TIMEOUT: Final = 15
SKU: Final = "SMOKE-TEST"
CATALOGUE: Final = f"sku,name,category,price\n{SKU},Smoke test,Smoke test,0.01\n"
PORT: Final = 443

State = Mapping[str, Any]


class SmokeError(Exception):
    """Something did not work; says what, and where to look."""


class Connection(http.client.HTTPSConnection):
    """To the site at one of its addresses, whatever its name resolves to."""

    def __init__(self, host: str, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, timeout=TIMEOUT, context=context)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        """Reach the address, and verify the name."""
        plain = socket.create_connection((self._address, PORT), TIMEOUT)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


class Site:
    """The site, asked at each of its addresses in turn: all of them must know what one was told."""

    def __init__(self, site: str, addresses: list[str], token: str, authority: str) -> None:
        self.host = urlsplit(site).hostname or ""
        self.addresses = addresses or [self.host]
        self._turns = cycle(self.addresses)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._context = ssl.create_default_context()
        if authority:
            self._context.load_verify_locations(cadata=authority)

    def call(self, method: str, path: str, body: bytes = b"", kind: str = "", address: str = "") -> State:
        """Ask; what it answered. Raises SmokeError for everything but success."""
        address = address or next(self._turns)
        headers = {**self._headers, **({"Content-Type": kind} if kind else {})}
        connection = Connection(self.host, address, self._context)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise SmokeError(f"{address} does not answer {method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise SmokeError(f"{address} answered {method} {path} with {answer.status}: {text[:300]}")
        found: State = json.loads(text)
        return found

    def post(self, path: str, values: Mapping[str, object]) -> State:
        """Send JSON."""
        return self.call("POST", path, json.dumps(values).encode(), "application/json")

    def upload(self, path: str, name: str, content: bytes) -> State:
        """Send a file, as a form does."""
        mark = uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        form = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
        return self.call("POST", path, form, f"multipart/form-data; boundary={mark}")


class Smoke:
    """One run: what was done, and how long each group took."""

    def __init__(self, site: Site, card: str, email: str, seconds: float) -> None:
        self._site = site
        self._card = card
        self._email = email
        self._end = time.monotonic() + seconds

    def run(self) -> list[str]:
        """Do everything, one beside the other; what went wrong."""
        with ThreadPoolExecutor() as pool:
            ready = [pool.submit(self._tried, self._ready, address) for address in self._site.addresses]
            work = [pool.submit(self._tried, act) for act in (self._import_and_order, self._slip)]
            return [problem for future in (*ready, *work) if (problem := future.result())]

    @staticmethod
    def _tried(act: Callable[..., None], *arguments: str) -> str:
        try:
            act(*arguments)
        except SmokeError as error:
            return str(error)
        return ""

    def _ready(self, address: str) -> None:
        self._site.call("GET", "/readyz", address=address)
        say("web", f"{address} is ready")

    def _import_and_order(self) -> None:
        began = time.monotonic()
        job = self._site.upload("/api/imports", "smoke.csv", CATALOGUE.encode())
        self._follow("batch", f"/api/imports/{job['id']}", job, "done")
        say("batch", "imported a catalogue", began)
        began = time.monotonic()
        lines = [{"sku": SKU, "quantity": 1}]
        order = self._site.post("/api/orders", {"email": self._email, "lines": lines, "card_token": self._card})
        state = self._follow("default", f"/api/orders/{order['id']}", order, "confirmed", also=("paid", "placed"))
        say("priority, default", f"charged and confirmed order {state['id']}", began)

    def _slip(self) -> None:
        began = time.monotonic()
        slip = self._site.upload("/api/slips", "smoke.png", png(384, 64))
        self._follow("ml", f"/api/slips/{slip['id']}", slip, "read")
        say("ml", "read a delivery slip", began)

    def _follow(self, group: str, path: str, state: State, wanted: str, also: tuple[str, ...] = ()) -> State:
        """Look until it has ended as it should."""
        while not state["finished"] or state["state"] in also:
            if time.monotonic() > self._end:
                group = "priority" if state["state"] == "placed" else group
                raise SmokeError(
                    f"{path} is still {state['state']}: nothing of the group {group} has worked on it in time; look at "
                    f"`systemctl status 'celery-worker-*@{group}*'` on its hosts"
                )
            time.sleep(LOOK)
            state = self._site.call("GET", path)
        if state["state"] != wanted:
            raise SmokeError(f"{path} ended as {state['state']}, not {wanted}: {json.dumps(state)}")
        return state


def png(width: int, height: int) -> bytes:
    """A white picture: any reader of digits finds something in it."""
    rows = (b"\0" + b"\xff" * width) * height
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), b"IDAT": zlib.compress(rows), b"IEND": b""}
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def say(group: str, what: str, began: float | None = None) -> None:
    """A line for whoever watches."""
    took = "" if began is None else f" in {time.monotonic() - began:.1f} s"
    sys.stdout.write(f"{group}: {what}{took}\n")
    sys.stdout.flush()


def main() -> int:
    """Run it; exit code 1 if anything did not work."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--site", required=True, help="the address that users open")
    parser.add_argument("--at", nargs="*", default=[], metavar="ADDRESS", help="where it is; without, what DNS says")
    parser.add_argument("--card", default="tok_4242", help="a card that the payment provider takes in tests")
    parser.add_argument("--email", default="smoke@example.org", help="who gets the confirmation")
    parser.add_argument("--seconds", type=float, default=60, help="how long all of it may take")
    options = parser.parse_args()
    token, authority = os.environ.get("SHOP_API_TOKEN", ""), os.environ.get("SMOKE_AUTHORITY", "")
    site = Site(options.site, options.at, token, authority)
    problems = Smoke(site, options.card, options.email, options.seconds).run()
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
