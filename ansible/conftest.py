"""How `make verify` runs: which hosts it asks, what their variables are, and what an operator sees of it.

The tests lie with the roles, `roles/ROLE/tests`; what they are given is in `roles/conftest.py`.
"""

import os
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from ansible import constants
from ansible.cli import CLI
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from testinfra.backend.base import CommandResult
from testinfra.backend.ssh import SshBackend
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

FOLDER: Final = Path(__file__).parent
#: What testinfra has to know of a host. More is kept from it, and secrets first of all.
REACHED: Final = (
    *("ansible_host", "ansible_port", "ansible_user", "ansible_connection", "ansible_become_user"),
    *("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_pass"),
    *("ansible_ssh_private_key_file", "ansible_private_key_file"),
)
#: Where Ansible has its connections' sockets, too. A rehearsal's are elsewhere: its hosts have the same addresses.
SOCKETS: Final = Path(os.environ.get("ANSIBLE_SSH_CONTROL_PATH_DIR", "~/.ansible/cp")).expanduser()


class Variables(Mapping[str, Any]):
    """What a playbook takes each variable for on one host: the inventory's value, or else the role's default."""

    def __init__(self, templar: Templar) -> None:
        """Nothing is worked out before it is asked for; secrets never are, unless somebody names them."""
        self._templar = templar

    def __getitem__(self, name: str) -> Any:
        """The value, its expressions worked out."""
        return self._templar.template(self._templar.available_variables[name])

    def __iter__(self) -> Iterator[str]:
        """All names."""
        return iter(self._templar.available_variables)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._templar.available_variables)


class Inventory:
    """An environment's inventory as the playbooks see it, with the defaults of all roles."""

    def __init__(self, source: str, files: Sequence[str]) -> None:
        """Read `source`; the variables in `files` go before all others."""
        init_plugin_loader()
        self._loader = DataLoader()
        self._loader.set_basedir(str(FOLDER))  # where the playbooks lie
        password = constants.DEFAULT_VAULT_PASSWORD_FILE
        CLI.setup_vault_secrets(self._loader, [], [password] if password else [], auto_prompt=False)
        self._hosts = InventoryManager(self._loader, sources=[source])
        self._manager = VariableManager(self._loader, self._hosts)
        HostVars(self._hosts, self._manager, self._loader)  # the manager takes them for `hostvars`
        self._defaults = self._read(*sorted(FOLDER.glob("roles/*/defaults/main.yml")))
        self._more = self._read(
            *sorted(FOLDER.glob("roles/*/vars/main.yml")), *(Path(file).resolve() for file in files)
        )

    def variables(self, host: str) -> Variables:
        """Those of one host."""
        own = self._manager.get_vars(host=self._hosts.get_host(host))
        return Variables(Templar(self._loader, {**self._defaults, **own, **self._more}))

    def reached(self) -> dict[str, Any]:
        """How testinfra wants it: hosts by group, and how each is reached. A login user becomes root by sudo."""
        hosts = {host.name: self._how(self.variables(host.name)) for host in self._hosts.get_hosts()}
        groups = {name: {"hosts": list(members)} for name, members in self._hosts.get_groups_dict().items()}
        return {**groups, "_meta": {"hostvars": hosts}}

    @staticmethod
    def _how(variables: Variables) -> dict[str, Any]:
        given = {name: variables[name] for name in REACHED if name in variables}
        return {**given, "ansible_become": given.get("ansible_user") != "root"}

    def _read(self, *files: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for file in files:
            found |= self._loader.load_from_file(str(file), trusted_as_template=True) or {}
        return found


INVENTORY: Final = pytest.StashKey[Inventory]()


@dataclass
class Kept:
    """How far a role's promises are kept."""

    hosts: set[str] = field(default_factory=set)
    kept: int = 0
    broken: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    """What is wrong, in words; where, and which test says so."""


class SilentError(Exception):
    """A host cannot be reached."""


class Verifying:
    """Asks the hosts, and tells of each role in one line and of each broken promise in one more."""

    def __init__(self, config: pytest.Config) -> None:
        """Nobody was asked yet."""
        self._writer = config.get_terminal_writer()
        self._runner = AnsibleRunner.get_runner(config.getoption("ansible_inventory"))
        self._silent: dict[str, str] = {}
        self._failed: set[str] = set()
        self._role, self._kept = "", Kept()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what the inventory has no host for."""
        items[:] = [item for item in items if host_of(item)]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Connect to all hosts at once: each connection then serves every question."""
        names = sorted({host_of(item) for item in session.items})
        if names and not session.config.option.collectonly:
            SOCKETS.mkdir(parents=True, exist_ok=True, mode=0o700)
            with ThreadPoolExecutor(len(names)) as pool:
                reasons = dict(zip(names, pool.map(self._connect, names), strict=True))
            self._silent = {name: reason for name, reason in reasons.items() if reason}
            for name, reason in self._silent.items():
                self._line(f"{name} cannot be reached, nothing is looked at there: {reason}", good=False)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Ask nothing of a host that cannot be reached; that is one failure, and not one a test."""
        name = host_of(item)
        if name in self._silent and name in self._failed:
            pytest.skip("the host cannot be reached")
        if name in self._silent:
            self._failed.add(name)
            raise SilentError

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep what went wrong, in words."""
        report = yield
        if report.failed and call.excinfo:
            self._keep(item, call.excinfo.value)
        elif report.passed and report.when == "call":
            self._of(item).kept += 1
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Count, and print no dot."""
        return (report.outcome, "", "") if report.when == "call" or not report.passed else None

    def pytest_sessionfinish(self) -> None:
        """Tell of the last role."""
        self._tell()

    def _connect(self, name: str) -> str:
        """Why the host cannot be reached; empty if it can."""
        backend = self._runner.get_host(name).backend
        if isinstance(backend, SshBackend):
            backend.controlpath = f"{SOCKETS}/%%C"  # testinfra would connect for each question
        try:
            done = backend.run("true")
        except RuntimeError as error:
            done = error.args[0]
        return last_line(done) if done.rc else ""

    def _of(self, item: pytest.Item) -> Kept:
        """What is known of its role, whose line begins here if it is another one."""
        role = item.path.parents[1].name
        if role != self._role:
            self._tell()
            self._role, self._kept = role, Kept()
        self._kept.hosts.add(host_of(item))
        return self._kept

    def _keep(self, item: pytest.Item, error: BaseException) -> None:
        name, told = host_of(item), str(error)
        if isinstance(error, SilentError):
            return  # that was told at the beginning
        if isinstance(error, RuntimeError) and isinstance(next(iter(error.args), None), CommandResult):
            self._silent[name] = told = f"cannot be reached any more: {last_line(error.args[0])}"
            self._failed.add(name)
        elif not isinstance(error, (AssertionError, pytest.fail.Exception)):
            told = repr(error)  # a mistake in a test; --tb=short shows where
        self._of(item).broken[told.strip()].append((name, item.originalname))

    def _tell(self) -> None:
        if not self._role:
            return
        kept = self._kept
        hosts = f"{len(kept.hosts)} host{'s' if len(kept.hosts) > 1 else ' '}"
        broken = f", {sum(map(len, kept.broken.values()))} broken" if kept.broken else ""
        self._line(f"{self._role:<13} {hosts:>9} {kept.kept:>5} kept{broken}", good=not broken)
        for told, found in kept.broken.items():
            names, tests = ({*each} for each in zip(*found, strict=True))
            where = "all" if len(names) > 1 and names == kept.hosts else ", ".join(sorted(names))
            words = told.replace("\n", "\n        ")
            self._writer.line(f"    {where}: {words}  ({', '.join(sorted(tests))})")

    def _line(self, text: str, *, good: bool) -> None:
        self._writer.write("✓ " if good else "✗ ", green=good, red=not good)
        self._writer.line(text)


@pytest.fixture(scope="session")
def inventory(pytestconfig: pytest.Config) -> Inventory:
    """The environment's."""
    return pytestconfig.stash[INVENTORY]


def host_of(item: pytest.Item) -> str:
    """The name of the host that a test looks at; empty where the inventory has none for it."""
    asked = item.callspec.params.get("_testinfra_host")
    return asked.backend.host if isinstance(asked, Host) else ""


def last_line(done: CommandResult) -> str:
    """What ssh or sudo said at last."""
    return (done.stderr.strip().splitlines() or [f"exit code {done.rc}"])[-1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Like ansible-playbook's: a rehearsal's hosts are reached in another way. Without @, which pytest reads itself."""
    told = "variables that go before the inventory's"
    parser.addoption("--extra-vars", action="append", default=[], metavar="FILE", help=told)


@pytest.hookimpl(trylast=True)  # when there is something to write with
def pytest_configure(config: pytest.Config) -> None:
    """Read the inventory; testinfra would read it without expressions and extra variables."""
    source = config.getoption("ansible_inventory")
    if not source:
        raise pytest.UsageError("which environment? make verify ENV=production, in the project's folder")
    try:
        found = Inventory(source, config.getoption("extra_vars"))
        AnsibleRunner.get_runner(source).inventory = found.reached()
    except AnsibleError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[INVENTORY] = found
    config.pluginmanager.register(Verifying(config))
