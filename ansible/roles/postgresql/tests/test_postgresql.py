"""The primary, or a standby that follows it; nightly dumps: ../README.md."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

testinfra_hosts = ["ansible://postgresql"]

Variables = Mapping[str, Any]
#: Asks the server; returns the answer's lines, columns parted by |.
Sql = Callable[[str], list[str]]
#: Seconds of two days: in each night there is a dump.
NIGHTS: Final = 2 * 86400


@pytest.fixture(scope="module")
def sql(ask: Callable[..., str], variables: Variables) -> Sql:
    """As the server's own account, which needs no password on the host."""

    def sql(statement: str) -> list[str]:
        psql = f"runuser -u postgres -- psql -X -A -t -p {variables['postgresql_port']} -c %s"
        return ask(f"cd /; {psql}", statement, what="psql").splitlines()

    return sql


@pytest.fixture(scope="module")
def is_primary(variables: Variables) -> bool:
    """Whether the inventory says so."""
    return bool(variables["postgresql_primary"] == variables["inventory_hostname"])


def test_server_and_timer_run(unsettled: Callable[..., list[str]], variables: Variables) -> None:
    """Both do, after a boot as well."""
    told = unsettled([{"name": variables["postgresql_unit"]}, *variables["postgresql_units"]])
    assert not told, "; ".join(told)


def test_files_are_kept_from_others(misplaced: Callable[..., list[str]], variables: Variables) -> None:
    """What a standby copies with is a password."""
    told = misplaced(variables["postgresql_files"])
    assert not told, "; ".join(told)


def test_nobody_enters_without_tls(sql: Sql) -> None:
    """TLS is on, no line lets anybody in over the network without it and a password, and nobody is there without."""
    assert sql("SHOW ssl") == ["on"], "ssl is off"
    loose = "type <> 'local' AND (type <> 'hostssl' OR auth_method <> 'scram-sha-256') OR error IS NOT NULL"
    columns = "concat_ws(' ', file_name || ':' || line_number, type, database, user_name, address, auth_method, error)"
    lines = sql(f"SELECT {columns} FROM pg_hba_file_rules WHERE {loose}")
    assert not lines, f"lets in without TLS and a password: {'; '.join(lines)}"
    remote = "SELECT client_addr FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE client_addr IS NOT NULL"
    plain = sql(f"{remote} AND NOT ssl")
    assert not plain, f"connected without TLS: {', '.join(plain)}"


def test_only_hosts_of_the_inventory_enter(sql: Sql, variables: Variables) -> None:
    """Those that run the project and these servers, each by its address."""
    servers = {variables["hostvars"][name]["ansible_host"] for name in variables["postgresql_hosts"]}
    wanted = {*variables["postgresql_clients"], *servers}
    found = set(sql("SELECT DISTINCT address FROM pg_hba_file_rules WHERE address IS NOT NULL"))
    told = [f"{each} may" for each in sorted(found - wanted)] + [f"{each} may not" for each in sorted(wanted - found)]
    assert not told, f"pg_hba.conf and the inventory differ: {', '.join(told)}"


def test_settings_hold(sql: Sql, variables: Variables) -> None:
    """None waits for a restart, and there are as many connections as workers.yml reckons with."""
    waiting = sql("SELECT name FROM pg_settings WHERE pending_restart")
    assert not waiting, f"wait for a restart: {', '.join(waiting)}"
    [most] = sql("SHOW max_connections")
    wanted = variables["postgresql_max_connections"]
    assert int(most) == int(wanted), f"it takes {most} connections, not {wanted}"


def test_is_what_the_inventory_says(sql: Sql, is_primary: bool) -> None:
    """The primary takes writes, any other only follows."""
    [follows] = sql("SELECT pg_is_in_recovery()")
    told = "it is to be the primary and follows" if is_primary else "it is to follow and takes writes"
    assert (follows == "f") == is_primary, told


def test_standbys_keep_up(sql: Sql, is_primary: bool, variables: Variables) -> None:
    """Every other host streams from the primary."""
    if is_primary:
        standbys = set(variables["postgresql_hosts"]) - {variables["postgresql_primary"]}
        streaming = set(sql("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'"))
        assert standbys <= streaming, f"do not stream: {', '.join(sorted(standbys - streaming))}"
    else:
        assert sql("SELECT status FROM pg_stat_wal_receiver") == ["streaming"], "it does not stream from the primary"


def test_database_belongs_to_nobody_who_logs_in(sql: Sql, variables: Variables) -> None:
    """Its owner cannot; each login acts as the owner, and is no superuser."""
    owner = sql(f"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{variables['postgresql_database']}'")
    assert owner == [variables["postgresql_owner"]], f"the database's owner is {', '.join(owner) or 'missing'}"
    roles = "SELECT rolname, rolcanlogin, rolsuper, array_to_string(rolconfig, ',') FROM pg_roles"
    has = {name: rest for name, *rest in (line.split("|") for line in sql(roles))}
    assert has[owner[0]][0] == "f", f"{owner[0]} can log in"
    wanted = ["t", "f", f"role={owner[0]}"]
    told = [f"{name}: {has.get(name, 'missing')}" for name in variables["postgresql_logins"] if has.get(name) != wanted]
    assert not told, f"logins that are not as they should be: {'; '.join(told)}"


def test_dumps_are_made_and_kept(ask: Callable[..., str], is_primary: bool, variables: Variables) -> None:
    """The last one succeeded and is of one of the last nights; so many lie there, and nobody else reads them."""
    result = ask("systemctl show --property=Result --value postgresql-backup.service").strip()
    assert result == "success", "the last one failed: journalctl -u postgresql-backup"
    folder, most = variables["postgresql_backup_folder"], variables["postgresql_backup_keep"]
    found = ask("find %s -name '*.dump' -printf '%%T@ %%m %%f\n' 2>/dev/null || :", folder).splitlines()
    dumps = [line.split() for line in found]
    told = [f"others may read {name}" for _, mode, name in dumps if int(mode, 8) & 0o077]
    told += [f"{len(dumps)} lie in {folder}, not {most} at most"] if len(dumps) > most else []
    now, begun = map(int, ask("date +%s; stat --format=%Y /etc/systemd/system/postgresql-backup.timer").split())
    newest = max((float(age) for age, *_ in dumps), default=0)
    if is_primary and now - max(begun, newest) > NIGHTS:
        told.append(f"there is none of the last two nights in {folder}")
    assert not told, "; ".join(told)
