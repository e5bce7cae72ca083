"""Bringing a release into service on a host: what is renewed and in which order, what is left alone, what stands after."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.systemd.manager import Manager, Service
from tests.workers.sample import SOUND, loaded
from workers.release.activation import Activation
from workers.release.readiness import NotReadyError, Web
from workers.release.services import Services, UnknownServiceError
from workers.systemd.draining import NotDoneError, Watch
from workers.systemd.systemctl import Started

DEFAULT, BATCH, SPARE = (f"celery-worker-sample@{name}.service" for name in ("default", "batch", "batch-spare"))
DEFAULT_SPARE = "celery-worker-sample@default-spare.service"
BEAT, WEB = "celery-beat-sample.service", "celery-web-sample.service"
SOCKET, WHOLE = "celery-web-sample.socket", "celery-sample.target"
GROUPS = ("celery-sample-default.target", "celery-sample-batch.target")
PROCESSES = {name: number for number, name in enumerate((DEFAULT, BATCH, SPARE, DEFAULT_SPARE, BEAT, WEB), 100)}


@dataclass
class Systemd(Manager):
    """Knows, beside what its units do, which are enabled and from which release each of them was started."""

    root: Path = Path("/")
    current: str = "new"
    on: set[str] = field(default_factory=set)

    def wants(self, name: str) -> set[str]:
        """What is enabled."""
        return self.on if name == WHOLE else set()

    def enable(self, *names: str) -> None:
        """Note it."""
        self.asked.append(f"enable {' '.join(names)}")
        self.on.update(names)

    def disable(self, *names: str) -> None:
        """Note it."""
        self.asked.append(f"disable {' '.join(names)}")
        self.on.difference_update(names)

    def up(self, *patterns: str) -> list[str]:
        """Workers that run."""
        begins = patterns[0].removesuffix(".service").removesuffix("*")
        running = (name for name, service in self.services.items() if service.active not in ("inactive", "failed"))
        return [name for name in running if name.startswith(begins)]

    def start(self, *names: str, wait: bool = False) -> None:
        """From what is current now."""
        super().start(*names, wait=wait)
        if wait:
            self.asked[-len(names) :] = [f"start {' '.join(names)}"]
        for name in names:
            self.runs(name, self.current)

    def restart(self, *names: str, wait: bool = False) -> None:
        """Stop and start, each in its own time."""
        self.asked.append(f"restart {' '.join(names)}")
        for name in names:
            service = self.services[name]
            if wait:
                service.active = "failed" if service.broken else "active"
            else:
                service.active, service.again, service.until = "deactivating", True, self.now + service.drains
            self.runs(name, self.current)

    def stop_after(self, name: str, *others: str) -> None:
        """Note it."""
        self.asked.append(f"stop {name} after {' '.join(others)}")

    def started(self, *names: str) -> dict[str, Started]:
        """When all of this began, but for what failed."""
        began = datetime(2026, 1, 1, tzinfo=UTC)
        return {name: Started(PROCESSES[name], began) for name in names if self.services[name].active != "failed"}

    def runs(self, name: str, release: str) -> None:
        """Have its process work in the folder of a release."""
        if name in PROCESSES:
            folder = self.root / f"proc/{PROCESSES[name]}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cwd").unlink(missing_ok=True)
            (folder / "cwd").symlink_to(f"/srv/sample/releases/{release}")


@dataclass(frozen=True)
class FakeWeb(Web):
    """Ready, unless it has something to say."""

    says: list[str] = field(default_factory=list)

    def _unready(self) -> str:
        return "".join(self.says)


@dataclass
class Host:
    """A host with two groups, beat and the web, all of the old release."""

    systemd: Systemd
    activation: Activation
    web: FakeWeb
    said: list[str]

    def activate(self, *, wanted: Sequence[str] | None = None, together: bool = False) -> list[str]:
        """What systemd was asked to do."""
        self.activation.carry_out(self.activation.plan(wanted), together=together)
        return self.systemd.asked


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """See there."""
    root, said = tmp_path / "host", list[str]()
    services = {name: Service() for name in (DEFAULT, BATCH, BEAT, WEB, SOCKET, WHOLE, *GROUPS)}
    services |= {SPARE: Service("inactive"), DEFAULT_SPARE: Service("inactive")}
    systemd = Systemd(services, root=root, on={*GROUPS, BEAT, SOCKET, WEB})
    for name in PROCESSES:
        systemd.runs(name, "old")
    web = FakeWeb(Path(), systemd.pause, systemd.clock)
    topology = loaded(tmp_path, SOUND.replace("hosts: 2\n  batch", "hosts: 2\n    concurrency: 2\n  batch"))
    activation = Activation(
        release="new",
        services=Services(topology, systemd, root),
        watch=Watch(systemd, lambda unit, words: said.append(f"{unit} {words}"), systemd.pause, systemd.clock),
        web=web,
        marker=tmp_path / "marker",
        patience=60,
    )
    return Host(systemd, activation, web, said)


def _replaced(spare: str, worker: str) -> list[str]:
    return [f"start {spare}", f"stop {worker}", f"start {worker}", f"stop {spare}"]


def test_groups_behind_spares_then_beat_then_the_web(host: Host) -> None:
    """One after the other: each has another one working beside it."""
    renewed = [*_replaced(DEFAULT_SPARE, DEFAULT), *_replaced(SPARE, BATCH), f"restart {BEAT}", f"restart {WEB}"]
    assert host.activate() == renewed
    assert f"{WEB} is ready" in host.said
    assert not host.activation.marker.exists()


def test_a_second_time_nothing_is_to_do(host: Host) -> None:
    """What runs the release is left alone; what finishes its tasks is no work for anybody."""
    host.activate()
    host.systemd.pause(60)
    assert not host.activation.plan(None)


def test_what_runs_the_release_already_is_left_alone(host: Host) -> None:
    """A roll that was cut short goes on where it was."""
    for name in (DEFAULT, BEAT):
        host.systemd.runs(name, "new")
    assert host.activation.plan(None).renew == ("batch", "web")


@pytest.mark.parametrize("changed", ["sample/environment", "sample/ca.pem", "credstore/sample.all.SECRET_KEY"])
def test_what_has_read_something_older_is_renewed(host: Host, changed: str) -> None:
    """A new password rolls like a new release."""
    host.activate()
    file = host.systemd.root / "etc" / changed
    file.parent.mkdir(parents=True)
    file.touch()  # now; the processes began long ago
    assert host.activation.plan(None).renew == ("default", "batch", "beat", "web")


def test_secrets_of_another_project_renew_nothing(host: Host) -> None:
    """Several may live on a host."""
    host.activate()
    (host.systemd.root / "etc/credstore").mkdir(parents=True)
    (host.systemd.root / "etc/credstore/other.all.SECRET_KEY").touch()
    assert not host.activation.plan(None)


def test_what_an_operator_has_stopped_stays_so(host: Host) -> None:
    """`workers drain batch` holds until somebody starts it."""
    host.systemd.services[BATCH].active = "inactive"
    assert host.activation.plan(None).renew == ("default", "beat", "web")


def test_after_an_interruption_nothing_stays_away(host: Host) -> None:
    """A controller was killed between drain and start: the worker is gone, its spare is there, both are seen to."""
    host.activate()
    host.systemd.services[BATCH].active, host.systemd.services[SPARE].active = "inactive", "active"
    host.activation.marker.touch()
    host.systemd.asked.clear()
    assert host.activate() == [f"start {SPARE}", f"start {BATCH}", f"stop {SPARE}"]
    assert host.systemd.services[BATCH].active == "active"


def test_a_host_gets_services_and_gives_others_up(host: Host) -> None:
    """All that is enabled is started at a time; a group that goes finishes its tasks."""
    host.systemd.on = {GROUPS[1]}
    for name in (DEFAULT, BATCH, BEAT, WEB):
        host.systemd.services[name].active = "active" if name == BATCH else "inactive"
    host.systemd.runs(BATCH, "new")
    asked = host.activate(wanted=["web", "default"])
    assert asked[:3] == [
        f"enable {WHOLE} {GROUPS[0]} {SOCKET} {WEB}",
        f"start {WHOLE} {GROUPS[0]} {SOCKET} {WEB}",
        f"disable {GROUPS[1]}",
    ]
    assert f"stop {BATCH}" in asked


def test_an_unknown_service_is_refused(host: Host) -> None:
    """With those there are."""
    with pytest.raises(UnknownServiceError) as error:
        host.activation.plan(["batches"])
    known = "default, batch, io, beat, relay, flower, web, dead, sessions"
    assert str(error.value) == f"no service is called batches; there are: {known}"


def test_a_web_that_is_not_ready_before_stops_everything(host: Host) -> None:
    """Whatever is wrong there, a new release would be blamed for it."""
    host.web.says.append("503, database: failed")
    with pytest.raises(NotReadyError, match="database: failed"):
        host.activation.look_before(host.activation.plan(None))
    assert host.systemd.asked == []


def test_what_is_put_back_need_not_be_ready(host: Host) -> None:
    """It is not: that is why."""
    host.web.says.append("503, results: failed")
    host.activation.marker.touch()
    host.activation.look_before(host.activation.plan(None))


def test_a_web_that_does_not_become_ready(host: Host) -> None:
    """Said with what is missing; the marker stays, so that whoever puts it back sees to everything."""
    host.web.says.append("503, results: failed")
    with pytest.raises(NotReadyError, match="/readyz: 503, results: failed"):
        host.activate()
    assert host.activation.marker.exists()


def test_a_worker_that_does_not_come_up(host: Host) -> None:
    """The old one has not been touched, and the reason is quoted."""
    host.systemd.services[SPARE].broken = "ImportError: nothing"
    with pytest.raises(NotDoneError, match=r"(?s)batch-spare.*did not become ready.*ImportError: nothing"):
        host.activate()
    assert host.systemd.services[BATCH].active == "active"
    assert f"restart {BEAT}" not in host.systemd.asked


def test_all_at_once(host: Host) -> None:
    """Short tasks end soon: nobody stands in."""
    for name in (DEFAULT, BATCH):
        host.systemd.services[name].drains = 1
    assert host.activate(together=True) == [f"restart {DEFAULT} {BATCH} {BEAT} {WEB}"]
    assert host.systemd.services[BATCH].active == "active"
    assert host.systemd.now < 15


def test_all_at_once_does_not_wait_for_long_tasks(host: Host) -> None:
    """A spare takes tasks meanwhile, and leaves by itself when the worker is back."""
    host.systemd.services[DEFAULT].drains = host.systemd.services[BEAT].drains = host.systemd.services[WEB].drains = 1
    host.systemd.services[BATCH].drains = 800
    asked = host.activate(together=True)
    assert asked[1:] == [f"start {SPARE}", f"stop {SPARE} after {BATCH}"]
    assert (host.systemd.services[BATCH].active, host.systemd.services[SPARE].active) == ("deactivating", "active")
    assert host.systemd.now < 20
    assert not host.activation.plan(None)


def test_all_at_once_ends_a_spare_of_the_release_before(host: Host) -> None:
    """It was left by a roll that failed, and works with the code that is to go."""
    host.systemd.services[SPARE] = Service("active", drains=1)
    host.systemd.services[BATCH].drains = host.systemd.services[DEFAULT].drains = 1
    assert host.activate(together=True)[0] == f"stop {SPARE}"


def test_all_at_once_says_what_failed(host: Host) -> None:
    """As soon as it is known."""
    host.systemd.services[BATCH].drains, host.systemd.services[BATCH].broken = 1, "SyntaxError"
    with pytest.raises(NotDoneError, match=r"(?s)batch\.service did not become ready.*SyntaxError"):
        host.activate(together=True)


def test_after_an_interruption_without_a_spare(host: Host) -> None:
    """It was drained, and nobody was left to start it again."""
    host.activate()
    host.systemd.pause(60)
    host.systemd.services[BATCH].active = "inactive"
    assert not host.activation.plan(None)
    host.activation.marker.touch()
    assert host.activation.plan(None).renew == ("batch",)
