"""What the demonstration has the shop do, and how it knows that it is done."""

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from shop import catalogue
from shop.demo.api import THREADS, Api

CATALOGUE = Path(catalogue.__file__).parent / "data" / "catalogue.csv"
PAUSE = 0.5
DECLINED_ONE_IN = 20
TWICE_ONE_IN = 50
PRODUCTS = 100

State = dict[str, Any]


@dataclass
class Followed:
    """Things of one kind: those that the shop was given, until each is finished."""

    label: str
    address: str
    expected: int
    open: dict[str, State] = field(default_factory=dict)
    done: list[State] = field(default_factory=list)

    def give(self, state: State) -> State:
        """Follow what the shop took."""
        self.open[str(state["id"])] = state
        return state

    def ask(self, api: Api, pool: ThreadPoolExecutor) -> None:
        """Ask for the state of everything that is not finished."""
        for number, state in zip(list(self.open), pool.map(self._state(api), list(self.open)), strict=False):
            self.open[number] = state
            if state["finished"]:
                self.done.append(self.open.pop(number))

    def _state(self, api: Api) -> Callable[[str], State]:
        return lambda number: api.get(f"{self.address}/{number}")

    @property
    def finished(self) -> bool:
        """Whether all that was to come has come, and is finished."""
        return len(self.done) >= self.expected


class Work:
    """Orders, an import, slips, a newsletter and a report: something for every group."""

    def __init__(self, api: Api, orders: int, slips: Iterable[Path], seconds: float) -> None:
        self.api = api
        self.slip_files = list(slips)
        self.orders = Followed("orders", "orders", orders)
        self.imports = Followed("catalogue", "imports", 1)
        self.slips = Followed("slips", "slips", len(self.slip_files))
        self.newsletters = Followed("newsletter", "newsletters", 1)
        self.reports = Followed("report", "reports", 1)
        self.repeated = 0
        self.everything = (self.imports, self.orders, self.slips, self.newsletters, self.reports)
        self._run = uuid4().hex[:12]
        self._random = random.Random(self._run)  # noqa: S311 - it chooses groceries
        self._deadline = time.monotonic() + seconds

    def do(self, show: Callable[[], None], tasks_done: Callable[[], bool]) -> None:
        """Have it all done, as far as there is time; `show` is called while it goes on."""
        with ThreadPoolExecutor(THREADS) as senders, ThreadPoolExecutor(THREADS) as askers:
            steps = (
                (self._fill_shelves, self._shelves_filled),
                (self._sell, self._sold),
                (self._close, lambda: self._finished() and tasks_done()),
            )
            for begin, done in steps:
                begin(senders)
                if not self._wait(done, show, askers):
                    senders.shutdown(cancel_futures=True)
                    break

    def _wait(self, done: Callable[[], bool], show: Callable[[], None], pool: ThreadPoolExecutor) -> bool:
        while time.monotonic() < self._deadline:
            for kind in self.everything:
                kind.ask(self.api, pool)
            show()
            if done():
                return True
            time.sleep(PAUSE)
        return False

    def _fill_shelves(self, _pool: ThreadPoolExecutor) -> None:
        self.imports.give(self.api.upload("imports", CATALOGUE))

    def _shelves_filled(self) -> bool:
        return _rows(self.imports) > PRODUCTS

    def _sell(self, pool: ThreadPoolExecutor) -> None:
        self._sent = [*self._send_orders(pool), *self._send_slips(pool)]

    def _sold(self) -> bool:
        for request in self._sent:
            if request.done():
                request.result()  # raises what went wrong
        return self.orders.finished

    def _close(self, _pool: ThreadPoolExecutor) -> None:
        # After the orders: they bring the subscribers and the revenue.
        letter = {"subject": "New on our shelves", "body": "Come and see what the catalogue brought."}
        self.newsletters.give(self.api.post("newsletters", letter))
        self.reports.give(self.api.post("reports", {}))

    def _finished(self) -> bool:
        return all(kind.finished for kind in self.everything)

    def _send_orders(self, pool: ThreadPoolExecutor) -> Iterable[Future[None]]:
        rows = catalogue.read(CATALOGUE.read_bytes())
        shelf = [row.product.sku for row, _ in zip(rows, range(PRODUCTS), strict=False) if row.product]
        return [pool.submit(self._order, n, self._body(n, shelf)) for n in range(self.orders.expected)]

    def _body(self, number: int, shelf: list[str]) -> State:
        declined = number % DECLINED_ONE_IN == 0
        skus = self._random.sample(shelf, self._random.randint(1, 5))
        return {
            "email": f"customer-{number}@example.org",
            "card_token": "tok_4000" if declined else "tok_4242",
            "newsletter": True,
            "lines": [{"sku": sku, "quantity": self._random.randint(1, 4)} for sku in skus],
        }

    def _order(self, number: int, body: State) -> None:
        self._arrive(number, self.orders)
        key = f"demo-{self._run}-{number}"
        first = self.orders.give(self.api.post("orders", body, key))
        if number % TWICE_ONE_IN == 0:
            # What a browser does whose connection broke: the same again. It must be the same order.
            second = self.api.post("orders", body, key)
            self.repeated += second["id"] == first["id"]

    def _send_slips(self, pool: ThreadPoolExecutor) -> Iterable[Future[None]]:
        return [pool.submit(self._slip, n, file) for n, file in enumerate(self.slip_files)]

    def _slip(self, number: int, file: Path) -> None:
        self._arrive(number, self.slips)
        # train_digits writes the number into the name: 017-481516.png.
        self.slips.give(self.api.upload("slips", file, expected=file.stem.partition("-")[2]))


def _rows(imports: Followed) -> int:
    return max((int(state["rows_done"]) for state in [*imports.open.values(), *imports.done]), default=0)
