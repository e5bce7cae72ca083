"""Prometheus, which asks the brokers how they are: ../README.md."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://monitoring"]

Variables = Mapping[str, Any]
#: A page of Prometheus, by its path.
Page = Callable[[str], str]
#: On the host, which has Python and need not have curl.
GET: Final = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"


@pytest.fixture(scope="module")
def page(ask: Callable[..., str], variables: Variables) -> Page:
    """Asked on the host, at the loopback address."""

    def page(path: str) -> str:
        url = f"http://{variables['monitoring_address']}{path}"
        return ask("python3 -c %s %s", GET, url, what=url)

    return page


def test_prometheus_runs(unsettled: Callable[..., list[str]], variables: Variables) -> None:
    """It does, after a boot as well, with the configuration that lies there."""
    told = unsettled(variables["monitoring_units"])
    assert not told, "; ".join(told)


def test_password_is_kept_from_others(misplaced: Callable[..., list[str]], variables: Variables) -> None:
    """Only Prometheus reads what it asks the brokers with."""
    told = misplaced(variables["monitoring_files"])
    assert not told, "; ".join(told)


def test_answers_on_the_loopback_address_only(host: Host, page: Page, variables: Variables) -> None:
    """It is ready there, and nobody else reaches it: it has no passwords of its own."""
    assert "Ready" in page("/-/ready"), "it does not say that it is ready"
    port = variables["monitoring_address"].rpartition(":")[2]
    listens = {name.removeprefix("tcp://") for name in host.socket.get_listening_sockets()}
    others = {name for name in listens if name.rpartition(":")[2] == port} - {variables["monitoring_address"]}
    assert not others, f"it answers on {', '.join(sorted(others))}"


def test_every_target_is_up(page: Page, variables: Variables) -> None:
    """Itself and each node of RabbitMQ; one that has just begun has not asked all of them yet."""
    wanted = {variables["monitoring_address"], *variables["monitoring_rabbitmq"]}
    for _ in range(variables["monitoring_interval"] + 1):
        targets = json.loads(page("/api/v1/targets?state=active"))["data"]["activeTargets"]
        if "unknown" not in {target["health"] for target in targets}:
            break
        time.sleep(1)
    found = {target["labels"]["instance"]: target for target in targets}
    assert found.keys() == wanted, f"asks {', '.join(sorted(found))}, not {', '.join(sorted(wanted))}"
    down = [f"{name} ({target['lastError']})" for name, target in found.items() if target["health"] != "up"]
    assert not down, f"down: {'; '.join(down)}"


def test_keeps_what_it_saw(ask: Callable[..., str], variables: Variables) -> None:
    """For as long, and on as much disk, as was set."""
    wanted = {"time": variables["monitoring_keep"], "size": variables["monitoring_keep_size"]}
    runs = ask("ps -C prometheus -o args= || :").split()
    missing = [
        each for name, value in wanted.items() if (each := f"--storage.tsdb.retention.{name}={value}") not in runs
    ]
    assert not missing, f"it runs without {' '.join(missing)}"
