"""People who look at the site while something is done to its hosts: python visitors.py HOST AUTHORITY ADDRESS...

They begin at once, stop when standard input ends, and then print as JSON what they saw. The program imports nothing of
its package: it runs by itself in the network of the hosts.
"""

import http.client
import json
import socket
import ssl
import sys
import threading
import time
from dataclasses import asdict, dataclass, field

#: Seconds between two looks of each of them, and until an answer counts as none: where a dozen hosts start at a time on
#: one small machine, a page may take ten.
PAUSE = 0.1
TIMEOUT = 30.0
#: Of what went wrong, as many are kept in words.
SHOWN = 5


@dataclass
class Seen:
    """What happened to their requests."""

    requests: int = 0
    failed: int = 0
    longest: float = 0
    words: list[str] = field(default_factory=list)


class Visitors:
    """One at each address, until they are called home."""

    def __init__(self, host: str, authority: str, addresses: list[str]) -> None:
        """Nobody has come yet."""
        self._host = host
        self._context = ssl.create_default_context(cafile=authority)
        self._home = threading.Event()
        self._lock = threading.Lock()
        self.seen = Seen()
        self._threads = [threading.Thread(target=self._visit, args=(address,)) for address in addresses]

    def come(self) -> None:
        """They begin."""
        for thread in self._threads:
            thread.start()

    def leave(self) -> None:
        """Each finishes what it has begun."""
        self._home.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, address: str) -> None:
        while True:
            began = time.monotonic()
            problem = self._look(address)
            took = time.monotonic() - began
            with self._lock:
                self.seen.requests += 1
                self.seen.longest = max(self.seen.longest, took)
                if problem:
                    self.seen.failed += 1
                    self.seen.words = [*self.seen.words, f"{time.strftime('%H:%M:%S')} {problem}"][:SHOWN]
            if self._home.wait(PAUSE):
                return

    def _look(self, address: str) -> str:
        """A page, over a connection of its own; what was wrong with it."""
        name, _, port = address.partition(":")
        try:
            with (
                socket.create_connection((name, int(port or 443)), TIMEOUT) as plain,
                self._context.wrap_socket(plain, server_hostname=self._host) as link,
            ):
                link.sendall(f"GET / HTTP/1.1\r\nHost: {self._host}\r\nConnection: close\r\n\r\n".encode())
                answer = http.client.HTTPResponse(link)
                answer.begin()
                answer.read()
        except (OSError, http.client.HTTPException) as error:
            return f"{address}: {type(error).__name__}: {error}"
        failed = answer.status >= http.client.INTERNAL_SERVER_ERROR
        return f"{address}: status {answer.status}" if failed else ""


def main() -> None:
    """Come, stay, tell."""
    host, authority, *addresses = sys.argv[1:]
    visitors = Visitors(host, authority, addresses)
    visitors.come()
    sys.stdout.write("came\n")
    sys.stdout.flush()
    sys.stdin.read()
    visitors.leave()
    sys.stdout.write(json.dumps(asdict(visitors.seen)))


if __name__ == "__main__":
    main()
