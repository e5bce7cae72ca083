"""What the demonstration has the shop do, and how it knows that it is done."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from shop import catalogue
from shop.demo.api import Api, ApiError

CATALOGUE = Path(catalogue.__file__).parent / "data" / "catalogue.csv"
# Each looks at what it ordered until that is done, as people look at the page. So the load follows what the machine
# bears: a queue that only grows would say nothing about waiting.
CUSTOMERS = 8
DRIVERS = 2
LOOK = 0.25  # seconds
SHOW = 0.5
DECLINED_ONE_IN = 20
TWICE_ONE_IN = 50
# Of the catalogue's first rows, which the first chunk of its import has: selling begins before it ends.
PRODUCTS = 100

State = dict[str, Any]
Act = Callable[[], None]


@dataclass
class Followed:
    """Things of one kind: those that the shop was given, until each is finished."""

    label: str
    address: str
    expected: int
    open: dict[str, State] = field(default_factory=dict)
    done: list[State] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether all that was to come has come, and is finished."""
        return len(self.done) >= self.expected

    def follow(self, api: Api, state: State, until: float) -> None:
        """Look at one of them until it is finished, or the time has come."""
        number = str(state["id"])
        self.open[number] = state
        while not state["finished"] and time.monotonic() < until:
            time.sleep(LOOK)
            self.open[number] = state = api.get(f"{self.address}/{number}")
        if state["finished"]:
            self.done.append(self.open.pop(number))


class Work:
    """Orders, an import, slips, a newsletter and a report: something for every group."""

    def __init__(self, api: Api, orders: int, slips: Sequence[Path], seconds: float) -> None:
        self.imports = Followed("catalogue", "imports", 1)
        self.orders = Followed("orders", "orders", orders)
        self.slips = Followed("slips", "slips", len(slips))
        self.newsletters = Followed("newsletter", "newsletters", 1)
        self.reports = Followed("report", "reports", 1)
        self.everything = (self.imports, self.orders, self.slips, self.newsletters, self.reports)
        self.repeated: list[str] = []
        self._api = api
        self._slip_files = slips
        self._run = uuid4().hex[:12]
        self._random = random.Random(self._run)  # noqa: S311 - it chooses groceries
        self._end = time.monotonic() + seconds

    def do(self, show: Act) -> None:
        """Have it all done, as far as there is time; `show` is called while it goes on."""
        with ThreadPoolExecutor(CUSTOMERS) as customers, ThreadPoolExecutor(DRIVERS + 1) as others:
            importing = others.submit(self._import)
            while not self._rows() > PRODUCTS and not importing.done():
                self._watch([importing], show, SHOW)
            slips = [others.submit(self._slip, file) for file in self._slip_files]
            self._watch([customers.submit(order) for order in self._orders()], show)
            # After the orders: they bring the subscribers and the revenue.
            last = [customers.submit(self._newsletter), customers.submit(self._report)]
            self._watch([importing, *slips, *last], show)

    def _watch(self, acts: Iterable[Future[None]], show: Act, seconds: float = float("inf")) -> None:
        """Show how it goes until all is done or the seconds are over; raise what went wrong."""
        open_, until = set(acts), time.monotonic() + seconds
        while open_ and time.monotonic() < until:
            done, open_ = wait(open_, timeout=SHOW)
            for act in done:
                act.result()
            show()

    def _rows(self) -> int:
        return max((int(state["rows_done"]) for state in list(self.imports.open.values())), default=0)

    def _begins(self) -> bool:
        return time.monotonic() < self._end

    def _import(self) -> None:
        self.imports.follow(self._api, self._api.upload("imports", CATALOGUE), self._end)

    def _orders(self) -> Iterable[Act]:
        rows = catalogue.read(CATALOGUE.read_bytes())
        shelf = [row.product.sku for row in islice(rows, PRODUCTS) if row.product]
        return [partial(self._order, number, self._body(number, shelf)) for number in range(self.orders.expected)]

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
        if not self._begins():
            return
        key = f"demo-{self._run}-{number}"
        placed = self._api.post("orders", body, key)
        if number % TWICE_ONE_IN == 0:
            # What a browser does whose connection broke: the same again.
            if self._api.post("orders", body, key)["id"] != placed["id"]:
                raise ApiError(f"the order sent twice as {key} became two")
            self.repeated.append(key)
        self.orders.follow(self._api, placed, self._end)

    def _slip(self, file: Path) -> None:
        if self._begins():
            # train_digits writes the number into the name: 017-481516.png.
            number = file.stem.partition("-")[2]
            self.slips.follow(self._api, self._api.upload("slips", file, expected=number), self._end)

    def _newsletter(self) -> None:
        if self._begins():
            letter = {"subject": "New on our shelves", "body": "Come and see what the catalogue brought."}
            self.newsletters.follow(self._api, self._api.post("newsletters", letter), self._end)

    def _report(self) -> None:
        if self._begins():
            self.reports.follow(self._api, self._api.post("reports", {}), self._end)
