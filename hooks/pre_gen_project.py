"""Refuse answers that could not work: all of them at once, each with one that would do.

Standard library only: hooks run on whatever Python Cookiecutter was installed with.
"""

import difflib
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from typing import NamedTuple
from zoneinfo import available_timezones

LONGEST_NAME = 60
LONGEST_LINE = 200
# What DNS and SMTP allow (RFC 1035, RFC 5321).
LONGEST_DOMAIN = 253
LONGEST_LOCAL_PART = 64

DOMAIN_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = re.compile(r"(?:" + DOMAIN_LABEL + r"\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})")
LOCAL_PART = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
SLUG = re.compile(r"[a-z][a-z0-9_]{1,29}")
TIME_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")

# Joins the parts of one emoji or of one Persian word: not printable by itself, needed in names.
JOINERS = str.maketrans("", "", "\u200c\u200d")

# The slug becomes a Linux user, a group, a database and a virtual host: on an ordinary host these are taken.
# The last seven are no strings in YAML.
RESERVED_SLUGS = frozenset(
    """
    adm admin audio backup bin celery cdrom crontab daemon default dialout dip disk docker fax
    floppy flower games gnats grafana guest haproxy input irc kmem kvm list lp mail man messagebus
    mysql netdev news nginx nobody nogroup operator plugdev polkitd postgres prometheus proxy public
    rabbitmq redis render root sasl sgx shadow src sshd staff sudo sync sys systemd tape template0
    template1 tty users utmp uucp valkey video voice
    true false yes no on off null
    """.split()
)


class Validator(NamedTuple):
    """One question: what it accepts, and an answer that would do in place of a refused one."""

    question: str
    expected: str
    accepts: Callable[[str], bool]
    suggest: Callable[[str], str]


def is_text(answer: str, longest: int) -> bool:
    """Whether it is one printable line; braces Cookiecutter takes for its own, in an update at the latest."""
    return (
        0 < len(answer) <= longest
        and answer == answer.strip()
        and answer.translate(JOINERS).isprintable()
        and not set(answer) & {"{", "}"}
    )


def as_text(answer: str, longest: int, fallback: str) -> str:
    """The same words without what `is_text` refuses."""
    kept = "".join(c if is_text(f"a{c}a", 3) else " " for c in answer)
    return " ".join(kept.split())[:longest].strip() or fallback


def is_name(answer: str) -> bool:
    """Whether it holds something to call the project by, not punctuation alone."""
    return is_text(answer, LONGEST_NAME) and any(unicodedata.category(c)[0] in "LNS" for c in answer)


def as_name(answer: str) -> str:
    """The answer's printable words, as far as they are a name."""
    name = as_text(answer, LONGEST_NAME, "")
    return name if is_name(name) else "Corner Shop"


def is_slug(answer: str) -> bool:
    """Whether Linux, PostgreSQL, a host name and systemd's `%j` all take it."""
    return SLUG.fullmatch(answer) is not None and answer not in RESERVED_SLUGS


def as_slug(answer: str) -> str:
    """The answer's letters and digits; a word too short or already taken gets an ending."""
    plain = unicodedata.normalize("NFKD", answer[:200]).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).lstrip("0123456789_")[:30].rstrip("_")
    candidates = (slug, f"{slug}_shop", "corner_shop")
    return next(filter(is_slug, candidates))


def is_domain(answer: str) -> bool:
    """Whether it is a host name with a dot in it, as DNS has it: lower case, international names as xn--."""
    return len(answer) <= LONGEST_DOMAIN and DOMAIN.fullmatch(answer) is not None


def as_domain(answer: str) -> str:
    """The host in what may be an address, in the form DNS has it."""
    host = re.sub(r"^[a-z]+://", "", answer.strip().lower()[:300]).partition("/")[0].partition(":")[0]
    try:
        domain = host.encode("idna").decode()
    except UnicodeError:
        domain = ""
    return domain if is_domain(domain) else "shop.example.com"


def is_email(answer: str) -> bool:
    """Whether it is name@domain without quoting: what mail servers and configuration files all take."""
    name, _, domain = answer.rpartition("@")
    return len(name) <= LONGEST_LOCAL_PART and LOCAL_PART.fullmatch(name) is not None and is_domain(domain)


def as_email(answer: str) -> str:
    """The same address with a domain that would do, if its name part is one."""
    name, _, domain = answer.strip()[:400].rpartition("@")
    email = f"{name}@{as_domain(domain)}"
    return email if name and is_email(email) else "ops@example.com"


def is_timezone(answer: str) -> bool:
    """Whether the tz database knows it; where the machine has none, whether it looks like a name of it."""
    known = available_timezones()
    return answer in known if known else TIME_ZONE.fullmatch(answer) is not None


def as_timezone(answer: str) -> str:
    """The known name nearest to the answer, which often is only the city."""
    wanted = answer.strip()[:100].lower().replace(" ", "_").rpartition("/")[2]
    cities = {name.rpartition("/")[2].lower(): name for name in sorted(available_timezones(), reverse=True)}
    nearest = difflib.get_close_matches(wanted, cities, n=1, cutoff=0.7)
    return cities[nearest[0]] if nearest else "UTC"


VALIDATORS: tuple[Validator, ...] = (
    Validator("project_name", f"a name of 1 to {LONGEST_NAME} printable characters without braces", is_name, as_name),
    Validator(
        "project_slug",
        "2 to 30 of a-z, 0-9 and _, a letter first, and no name that a Linux host or YAML has taken",
        is_slug,
        as_slug,
    ),
    Validator(
        "description",
        f"one line of 1 to {LONGEST_LINE} printable characters without braces",
        lambda answer: is_text(answer, LONGEST_LINE),
        lambda answer: as_text(answer, LONGEST_LINE, "Orders, and the background work behind them"),
    ),
    Validator("domain", "a host name in lower case with at least one dot", is_domain, as_domain),
    Validator("email", "a plain address, name@domain", is_email, as_email),
    Validator("timezone", "a name of the tz database", is_timezone, as_timezone),
    Validator("broker", "rabbitmq or redis", {"rabbitmq", "redis"}.__contains__, lambda _: "rabbitmq"),
    Validator("init_git", "yes or no", {"True", "False"}.__contains__, lambda _: "yes"),
)


def shown(answer: str) -> str:
    """The answer as it may stand on a terminal: in quotes, control characters escaped."""
    return json.dumps(answer, ensure_ascii=not answer.isprintable())


def shortened(answer: str) -> str:
    """As much of the answer as tells which one it is."""
    return answer if len(answer) <= LONGEST_NAME else f"{answer[:40]}... ({len(answer)} characters)"


def refusals(answers: Mapping[str, object]) -> list[str]:
    """A sentence for each answer that is refused, in the order of the questions."""
    return [
        f"{check.question}: expected {check.expected}; got {shown(shortened(answer))}; "
        f"try {shown(check.suggest(answer))}"
        for check in VALIDATORS
        for answer in [str(answers[check.question])]
        if not check.accepts(answer)
    ]


def report(answers: Mapping[str, object]) -> str:
    """All refusals as one text; empty when every answer is accepted."""
    refused = refusals(answers)
    return "\n  ".join(["Nothing was generated. Answers that would not work:", *refused]) if refused else ""


def main() -> None:
    """Check the answers this file was rendered with."""
    sys.exit(report(json.loads(r"""{{ cookiecutter | tojson }}""")) or 0)


if __name__ == "__main__":
    main()
