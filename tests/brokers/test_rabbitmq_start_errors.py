"""What is wrong at the start is said in one line that names the variable; then it is tried again, ever more slowly."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.brokers.clients import Clients
from tests.brokers.observers.processes import Observer
from tests.brokers.rabbitmq import RabbitMQ
from tests.project.running import Project
from tests.waiting import until

#: An address of the fleet's network at which there is no host.
NOBODY: Final = "10.40.0.99"
#: What is wrong -> what is written instead of what in BROKER_URL, and what each node is said to do.
WRONG: Final = {
    "password": (":only-for-tests-worker@", ":wrong@", "r1:5671 refuses this user or this password"),
    "vhost": (":5671/observed", ":5671/nowhere", "r1:5671 has no such virtual host, or this user may not use it"),
    "unreachable": ("", "", f"{NOBODY}:5671 does not answer"),
    "expired": ("", "", "r3:5671 shows a certificate that has expired: issue a new one"),
}
#: Seconds within which four workers have started on a busy machine, and tried twice.
WITHIN: Final = 60


@pytest.fixture(scope="module")
def cluster(rabbitmq: RabbitMQ) -> Iterator[RabbitMQ]:
    """The cluster of this session; r3 shows a certificate that has expired."""
    rabbitmq.wait_healthy()
    host = rabbitmq.hosts[2]
    try:
        rabbitmq.certify(host, rabbitmq.authority.expired(host.name, host.address))
        rabbitmq.take_certificates(host)
        yield rabbitmq
    finally:
        renew(rabbitmq)


def renew(cluster: RabbitMQ) -> None:
    """Give r3 a certificate that is valid."""
    cluster.certify(cluster.hosts[2])
    cluster.take_certificates(cluster.hosts[2])


@pytest.fixture(scope="module")
def clients(cluster: RabbitMQ, observed: Project, tmp_path_factory: pytest.TempPathFactory) -> Clients:
    """Processes of the project."""
    return Clients(cluster, observed, tmp_path_factory.mktemp("start"))


def wrong_url(clients: Clients, case: str) -> str:
    """BROKER_URL with that wrong in it."""
    url = clients.environment()["BROKER_URL"]
    if case == "unreachable":
        return url.split(";")[0].replace("@r1:", f"@{NOBODY}:")
    if case == "expired":
        return url.split(";")[2]
    it, instead, _ = WRONG[case]
    return url.replace(it, instead)


@pytest.fixture(scope="module")
def workers(clients: Clients) -> Iterator[dict[str, Observer]]:
    """A worker for each case, all at once: each waits more than it works."""
    with clients.observers() as observers:
        yield {
            case: clients.worker(observers, case, changes={"BROKER_URL": wrong_url(clients, case)}) for case in WRONG
        }


def refusals(worker: Observer) -> list[dict[str, Any]]:
    """The lines that say why it cannot connect."""
    lines = worker.log.read_text(encoding="utf-8", errors="replace").splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in logged if line["event"] == "broker_refuses"]


@pytest.mark.parametrize("case", WRONG)
def test_a_worker_says_what_is_wrong_and_tries_again(workers: dict[str, Observer], case: str) -> None:
    """A line a round, which names the variable and each node; the next round comes later than the last."""
    worker = workers[case]
    until(lambda: len(refusals(worker)) > 1, lambda: worker.log.read_text(errors="replace")[-2000:], WITHIN)
    first, second, *_ = refusals(worker)
    assert first["variable"] == "BROKER_URL"
    assert first["reason"].startswith(WRONG[case][-1])
    assert seconds(second) > seconds(first)
    assert worker.process.poll() is None
    assert "Traceback" not in worker.log.read_text(encoding="utf-8", errors="replace")


def seconds(line: dict[str, Any]) -> float:
    """How long it waits until the next round."""
    return float(str(line["next_try"]).split()[1])


def test_declare_says_that_a_certificate_has_expired(clients: Clients) -> None:
    """In one line as well, which names the variable that leads to it."""
    links = dict(clients.cluster.links("deploy"))
    links["BROKER_ADMIN_URL"] = links["BROKER_ADMIN_URL"].split(";")[2]
    done = clients.run("-m", "workers", "brokers", "declare", "--wait", "0", changes=links)
    assert done.returncode == 1
    expected = "BROKER_ADMIN_URL: r3:15671 shows a certificate that has expired: issue a new one"
    assert done.stderr.splitlines() == [expected]


def test_a_worker_goes_on_once_it_is_mended(workers: dict[str, Observer], cluster: RabbitMQ) -> None:
    """Nobody has to start it again."""
    renew(cluster)
    worker = workers["expired"]
    until(lambda: worker.says(" ready."), lambda: worker.log.read_text(errors="replace")[-2000:], WITHIN)


@pytest.mark.parametrize(
    ("changes", "last", "tries"),
    [
        ({"BROKER_ADMIN_URL": ":wrong@"}, "refuses the user 'observed_deploy' or the password", False),
        ({"BROKER_ADMIN_URL": f"@{NOBODY}:"}, f"BROKER_ADMIN_URL: {NOBODY}:15671 does not answer", True),
        ({"BROKER_URL": ":5671/nowhere"}, "BROKER_URL: the broker has no virtual host 'nowhere'", False),
    ],
    ids=["password", "unreachable", "vhost"],
)
def test_declare_says_what_is_wrong(clients: Clients, changes: dict[str, str], last: str, *, tries: bool) -> None:
    """One line that names the variable; only who may be on the way back is tried again."""
    links = dict(clients.cluster.links("deploy"))
    ((variable, wrong),) = changes.items()
    url = links[variable].split(";")[0]
    replaced = {":wrong@": ":only-for-tests-deploy@", f"@{NOBODY}:": "@r1:", ":5671/nowhere": ":5671/observed"}[wrong]
    links[variable] = url.replace(replaced, wrong)
    done = clients.run("-m", "workers", "brokers", "declare", "--wait", "4", changes=links)
    assert done.returncode == 1
    *before, line = done.stderr.splitlines()
    assert last in line
    assert line.startswith(f"{variable}: ")
    assert [each.endswith("; trying again") for each in before] == [True] * len(before)
    assert bool(before) is tries
