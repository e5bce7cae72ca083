"""Looks whether a host's certificates are as they should be, makes new keys, and places what was signed for them."""

import grp
import os
import pwd
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.whole import write_whole

DOCUMENTATION = """
module: certificates
short_description: A host's certificates, by a private authority
description:
  - Called as an action, which signs on the controller. The key is made on the host and never leaves it.
  - A certificate is due when it is missing, ends within C(renewal) days, has other names, was signed by another
    authority than C(issuer), or does not belong to its key.
options:
  trusted:
    description: PEM of the authorities that this host's clients trust.
    type: str
    required: true
  issuer:
    description: PEM of the authority that is to have signed, with those above it.
    type: str
    required: true
  trusted_file:
    description: Where all programs of the host find them.
    type: path
    required: true
  places:
    description: A service's folder, its owner, and the names of its certificate.
    type: list
    elements: dict
    required: true
  shown:
    description: Certificates that other hosts verify, where services of this host show them.
    type: list
    elements: path
    required: true
  files:
    description: Name and mode of C(authority), C(certificate) and C(key) in each folder.
    type: dict
    required: true
  curve:
    description: Of a new key.
    type: str
    required: true
  renewal:
    description: Days before the end at which a certificate is due.
    type: int
    required: true
  issue:
    description: Whether to renew what is due. Without it hosts are only told whom to trust.
    type: bool
  signed:
    description: By service, what the action has signed.
    type: dict
"""

PLACE = {
    "service": {"type": "str", "required": True},
    "folder": {"type": "path", "required": True},
    "owner": {"type": "str", "required": True},
    "group": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
}
ARGUMENTS = {
    "trusted": {"type": "str", "required": True},
    "issuer": {"type": "str", "required": True},
    "trusted_file": {"type": "path", "required": True},
    "places": {"type": "list", "elements": "dict", "required": True, "options": PLACE},
    "shown": {"type": "list", "elements": "path", "required": True},
    "files": {"type": "dict", "required": True},
    "curve": {"type": "str", "required": True},
    "renewal": {"type": "int", "required": True},
    "issue": {"type": "bool", "default": True},
    "signed": {"type": "dict", "default": {}},
}
#: The key that a request was made for lies here until what was signed comes.
ASKED = ".asked.pem"
A_DAY = 86400


@dataclass(frozen=True)
class Place:
    """The folder of a service's certificate."""

    service: str
    names: list[str]
    authority: Path
    certificate: Path
    key: Path
    modes: dict[str, int]
    owner: tuple[int, int]

    @classmethod
    def of(cls, given: dict[str, Any], files: dict[str, dict[str, str]]) -> "Place":
        """As the arguments describe it. Accounts that are not there yet are root's, in check mode."""
        folder = Path(given["folder"])
        try:
            owner = pwd.getpwnam(given["owner"]).pw_uid, grp.getgrnam(given["group"]).gr_gid
        except KeyError:
            owner = 0, 0
        paths = {kind: folder / file["name"] for kind, file in files.items()}
        modes = {kind: int(file["mode"], 8) for kind, file in files.items()}
        return cls(given["service"], sorted(given["names"]), **paths, modes=modes, owner=owner)


def main() -> None:
    """Without `signed`: look, and ask. With it: put it in place first."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    places = [Place.of(place, given["files"]) for place in given["places"]]
    for place in places:
        if place.service in given["signed"]:
            install(place, given["signed"][place.service])
    refuse_a_gap(module)
    trusting = {Path(given["trusted_file"]): (0o644, (0, 0))}
    trusting |= {place.authority: (place.modes["authority"], place.owner) for place in places}
    differing = [path for path in trusting if not path.exists() or path.read_text(encoding="utf-8") != given["trusted"]]
    reasons = {place.service: why for place in places if given["issue"] and (why := due(place, given))}
    requests: dict[str, str] = {}
    if not module.check_mode:
        for path in differing:
            write(path, given["trusted"], *trusting[path])
        requests = {place.service: request(place, given["curve"]) for place in places if place.service in reasons}
    told = [*(f"{path}: whom to trust" for path in differing), *(f"{name}: {why}" for name, why in reasons.items())]
    diff = {"prepared": "".join(f"{line}\n" for line in told)}
    module.exit_json(changed=bool(told or given["signed"]), requests=requests, reasons=reasons, diff=diff)


def refuse_a_gap(module: AnsibleModule) -> None:
    """Fail where nobody would trust what a service shows until its certificate is another one."""
    for own in map(Path, module.params["shown"]):
        if own.exists() and not is_of(module.params["trusted"], own, "-no_check_time"):
            module.fail_json(
                msg=f"{own}: hosts are no longer to trust its authority, so it would be refused; "
                "keep that as authority_before in the vault, run rotate-certificates.yml, drop it, run that again"
            )


def is_of(authorities: str, certificate: Path, *options: str) -> bool:
    """Whether one of the authorities (PEM) has signed it."""
    way = ("-CAfile", "/dev/stdin", "-untrusted", certificate, *options)
    return not openssl("verify", *way, certificate, given=authorities).returncode


def due(place: Place, given: dict[str, Any]) -> str:
    """Why the place needs another certificate, in words; nothing where it does not, or has just got it."""
    if place.service in given["signed"]:
        return ""
    if not (place.certificate.exists() and place.key.exists()):
        return "there is no certificate"
    return next(wrong(place, given), "")


def wrong(place: Place, given: dict[str, Any]) -> Iterator[str]:
    """What is not as it should be with a certificate that is there."""
    own, days = place.certificate, given["renewal"]
    if openssl("x509", "-in", own, "-noout", "-pubkey").stdout != openssl("pkey", "-in", place.key, "-pubout").stdout:
        yield "the certificate does not belong to its key"
    if openssl("x509", "-in", own, "-noout", "-checkend", str(days * A_DAY)).returncode:
        yield f"the certificate ends within {days} days"
    if names(own) != place.names:
        yield f"the certificate's names are {', '.join(names(own))}"
    if not is_of(given["issuer"], own):
        yield "the certificate is of another authority"


def names(certificate: Path) -> list[str]:
    """Host names and addresses in it, sorted."""
    lines = openssl("x509", "-in", certificate, "-noout", "-ext", "subjectAltName").stdout.splitlines()[1:]
    found = (part.strip().partition(":")[2] for line in lines for part in line.split(","))
    return sorted(name for name in found if name)


def request(place: Place, curve: str) -> str:
    """Make a new key beside the old one; the request for it, PEM."""
    made = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", check=True).stdout
    asked = place.key.with_name(ASKED)
    write(asked, made, place.modes["key"], place.owner)
    return openssl("req", "-new", "-key", asked, "-subj", f"/CN={place.service}", check=True).stdout


def install(place: Place, certificate: str) -> None:
    """Put key and certificate in place, one right after the other: a service may read them at any moment."""
    new = place.certificate.with_name(".signed.pem")
    write(new, certificate, place.modes["certificate"], place.owner)
    os.rename(place.key.with_name(ASKED), place.key)
    os.rename(new, place.certificate)


def write(path: Path, content: str, mode: int, owner: tuple[int, int]) -> None:
    """Write it as a whole, and its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.encode(), mode, owner)


def openssl(*arguments: object, given: str = "", check: bool = False) -> subprocess.CompletedProcess[str]:
    """What it says; a refusal is an exit code and no output, and with `check` an exception."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=check)


if __name__ == "__main__":
    main()
