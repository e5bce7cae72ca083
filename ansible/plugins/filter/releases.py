"""What hosts say of their releases, all of them together."""

from collections.abc import Callable, Iterable

from ansible.errors import AnsibleFilterError


def release_before(said: Iterable[list[str]]) -> str:
    """The release that a fleet goes back to, from the lines in which each host names `current=` and `previous=`.

    Where all hosts run the same one it is what they ran before. Where a roll was cut short it is the one of both that
    the others came from. What is younger than what runs was left by a rollback: nobody is led there unasked.
    """
    hosts = [dict(line.split("=", 1) for line in lines if "=" in line) for lines in said]
    current = {_name(host.get("current", "")) for host in hosts}
    before = {_name(host.get("previous", "")) for host in hosts}
    older = {name for name in before if name and name < max(current)}
    found = older & current if len(current) > 1 else older
    if len(found) == 1:
        return found.pop()
    known = f"current: {', '.join(sorted(current))}; before: {', '.join(sorted(before))}"
    raise AnsibleFilterError(f"which release to go back to is not clear ({known}); name it: -e release_back=RELEASE")


def _name(link: str) -> str:
    return link.rpartition("/")[2]


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """By name."""
        return {"release_before": release_before}
