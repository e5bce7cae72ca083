"""A wrong answer is refused in words that help, all wrong ones at once, and nothing is left on disk."""

import json
import runpy
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.template.rendering import ROOT, cookiecutter, run, tree

HOOK = runpy.run_path(str(ROOT / "hooks" / "pre_gen_project.py"))
EXTENSIONS = runpy.run_path(str(ROOT / "local_extensions.py"))
VALIDATORS = {check.question: check for check in HOOK["VALIDATORS"]}
GOOD = {
    "project_name": "Corner Shop",
    "project_slug": "corner_shop",
    "description": "Orders",
    "domain": "shop.example.com",
    "email": "ops@example.com",
    "timezone": "UTC",
    "broker": "redis",
    "init_git": True,
}
INTRODUCTION = "Nothing was generated. Answers that would not work:\n"

NAME = "expected a name of 1 to 60 printable characters without braces"
SLUG = "expected 2 to 30 of a-z, 0-9 and _, a letter first, and no name that a Linux host or YAML has taken"
LINE = "expected one line of 1 to 200 printable characters without braces"
DOMAIN = "expected a host name in lower case with at least one dot"
EMAIL = "expected a plain address, name@domain"
TIME_ZONE = "expected a name of the tz database"


class Row(NamedTuple):
    """A wrong answer and all that is said about it."""

    question: str
    answer: str
    expected: str
    got: str
    tried: str


ROWS = [
    Row("project_name", "", NAME, '""', '"Corner Shop"'),
    Row("project_name", "...", NAME, '"..."', '"Corner Shop"'),
    Row("project_name", " Shop ", NAME, '" Shop "', '"Shop"'),
    Row("project_name", "Corner\nShop", NAME, r'"Corner\nShop"', '"Corner Shop"'),
    Row("project_name", "Corner\x1b[31mShop", NAME, r'"Corner\u001b[31mShop"', '"Corner [31mShop"'),
    Row("project_name", "Corner\x00Shop", NAME, r'"Corner\u0000Shop"', '"Corner Shop"'),
    Row("project_name", "pohS\u202eShop", NAME, r'"pohS\u202eShop"', '"pohS Shop"'),
    Row("project_name", "{{ cookiecutter }}", NAME, '"{{ cookiecutter }}"', '"cookiecutter"'),
    Row("project_name", "a" * 10_000, NAME, f'"{"a" * 40}... (10000 characters)"', f'"{"a" * 60}"'),
    Row("project_name", "Caf\udce9", NAME, r'"Caf\udce9"', '"Caf"'),
    Row("project_slug", "", SLUG, '""', '"corner_shop"'),
    Row("project_slug", "My-Shop", SLUG, '"My-Shop"', '"my_shop"'),
    Row("project_slug", "../x", SLUG, '"../x"', '"x_shop"'),
    Row("project_slug", "/etc/passwd", SLUG, '"/etc/passwd"', '"etc_passwd"'),
    Row("project_slug", "2fast", SLUG, '"2fast"', '"fast"'),
    Row("project_slug", "x", SLUG, '"x"', '"x_shop"'),
    Row("project_slug", "shop\n", SLUG, r'"shop\n"', '"shop"'),
    Row("project_slug", "postgres", SLUG, '"postgres"', '"postgres_shop"'),
    Row("project_slug", "null", SLUG, '"null"', '"null_shop"'),
    Row("project_slug", "größe", SLUG, '"größe"', '"groe"'),
    Row("project_slug", "s" * 31, SLUG, f'"{"s" * 31}"', f'"{"s" * 30}"'),
    Row("project_slug", "$(reboot)", SLUG, '"$(reboot)"', '"reboot"'),
    Row("description", "", LINE, '""', '"Orders, and the background work behind them"'),
    Row("description", "one\ntwo", LINE, r'"one\ntwo"', '"one two"'),
    Row("description", "d" * 300, LINE, f'"{"d" * 40}... (300 characters)"', f'"{"d" * 200}"'),
    Row("description", "{% raw %}", LINE, '"{% raw %}"', '"% raw %"'),
    Row("domain", "localhost", DOMAIN, '"localhost"', '"shop.example.com"'),
    Row("domain", "Shop.Example.com", DOMAIN, '"Shop.Example.com"', '"shop.example.com"'),
    Row("domain", "https://shop.example.org/x", DOMAIN, '"https://shop.example.org/x"', '"shop.example.org"'),
    Row("domain", "müller.de", DOMAIN, '"müller.de"', '"xn--mller-kva.de"'),
    Row("domain", "-a.example.com", DOMAIN, '"-a.example.com"', '"shop.example.com"'),
    Row("domain", "192.168.1.1", DOMAIN, '"192.168.1.1"', '"shop.example.com"'),
    Row("domain", "a;reboot.com", DOMAIN, '"a;reboot.com"', '"shop.example.com"'),
    Row("domain", "example.com\n", DOMAIN, r'"example.com\n"', '"example.com"'),
    Row("email", "ops", EMAIL, '"ops"', '"ops@example.com"'),
    Row("email", "ops@müller.de", EMAIL, '"ops@müller.de"', '"ops@xn--mller-kva.de"'),
    Row("email", "a b@example.com", EMAIL, '"a b@example.com"', '"ops@example.com"'),
    Row("email", 'x"@example.com', EMAIL, r'"x\"@example.com"', '"ops@example.com"'),
    Row("timezone", "Berlin", TIME_ZONE, '"Berlin"', '"Europe/Berlin"'),
    Row("timezone", "europe/berlin", TIME_ZONE, '"europe/berlin"', '"Europe/Berlin"'),
    Row("timezone", "../../etc/passwd", TIME_ZONE, '"../../etc/passwd"', '"UTC"'),
    Row("timezone", "New York", TIME_ZONE, '"New York"', '"America/New_York"'),
    Row("broker", "sqs", "expected rabbitmq or redis", '"sqs"', '"rabbitmq"'),
    Row("init_git", "maybe", "expected yes or no", '"maybe"', '"yes"'),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.question}-{row.got[:24]}")
def test_a_refusal_names_the_question_the_answer_and_one_that_would_do(row: Row) -> None:
    """The whole sentence is compared; the answer it proposes is accepted."""
    said = HOOK["report"]({**GOOD, row.question: row.answer})
    assert said == f"{INTRODUCTION}  {row.question}: {row.expected}; got {row.got}; try {row.tried}"
    proposed = json.loads(row.tried)
    assert HOOK["report"]({**GOOD, row.question: True if proposed == "yes" else proposed}) == ""


@pytest.mark.parametrize("question", [name for name in VALIDATORS if name != "init_git"])
@given(answer=st.text(st.characters(codec=None), max_size=80))
def test_whatever_is_typed_the_proposed_answer_would_do(question: str, answer: str) -> None:
    """No text, however odd, brings a traceback or a proposal that is refused in its turn."""
    check = VALIDATORS[question]
    assert check.accepts(check.suggest(answer))
    assert check.accepts(answer) in {True, False}


@given(answer=st.text(max_size=60))
def test_an_accepted_text_means_the_same_in_every_format(answer: str) -> None:
    """What passes as a name can be read back from TOML, YAML and JSON."""
    if not VALIDATORS["project_name"].accepts(answer):
        return
    quoted = EXTENSIONS["quoted"](answer)
    assert tomllib.loads(f"name = {quoted}")["name"] == answer
    assert yaml.safe_load(f"name: {quoted}")["name"] == answer
    assert json.loads(quoted) == answer


@pytest.mark.parametrize(
    "answers",
    [
        {"project_slug": "../escaped"},
        {"project_slug": "a/b/c"},
        {"project_slug": ""},
        {"project_slug": ".."},
        {"project_slug": "a" * 10_000},
        {"project_name": "Corner\nShop", "domain": "localhost", "email": "ops", "timezone": "Berlin"},
    ],
    ids=lambda answers: str(answers)[:40],
)
def test_nothing_is_left_of_a_refused_project(answers: dict[str, str], template: Path, tmp_path: Path) -> None:
    """All wrong answers are reported at once; no folder is made, inside or outside of the one chosen."""
    home = tmp_path / "deep" / "home"
    (home / "projects").mkdir(parents=True)
    before = tree(tmp_path)
    done = cookiecutter(template, home, answers)
    assert done.returncode == 1
    assert done.stdout.strip() == HOOK["report"]({**GOOD, "description": "Orders", **answers})
    assert done.stderr == ""
    assert tree(tmp_path) == before


def test_an_existing_folder_is_left_alone_when_answers_are_refused(template: Path, tmp_path: Path) -> None:
    """Not even with --overwrite-if-exists does a refusal touch what was there."""
    kept = tmp_path / "projects" / "corner_shop" / "mine.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine", encoding="utf-8")
    done = cookiecutter(template, tmp_path, {"domain": "x"}, "--overwrite-if-exists")
    assert done.returncode == 1
    assert {path.name for path in kept.parent.iterdir()} == {"mine.txt"}


def test_braces_that_cookiecutter_itself_cannot_read_leave_nothing(template: Path, tmp_path: Path) -> None:
    """On its command line Cookiecutter renders answers before anybody can look; still nothing is made."""
    done = cookiecutter(template, tmp_path, {"project_name": "{{ 1 +"})
    assert done.returncode != 0
    assert tree(tmp_path / "projects") == set()


def test_a_replayed_answer_is_refused_by_the_hook(template: Path, tmp_path: Path) -> None:
    """`--replay` skips the questions, and with them the first look at the answers."""
    assert cookiecutter(template, tmp_path, {}).returncode == 0
    [replay] = (tmp_path / ".cookiecutter_replay").glob("*.json")
    saved = json.loads(replay.read_text(encoding="utf-8"))
    saved["cookiecutter"] |= {"project_slug": "other", "email": "ops"}
    replay.write_text(json.dumps(saved), encoding="utf-8")
    options = ("--replay", "--output-dir", tmp_path / "projects")
    done = run((sys.executable, "-m", "cookiecutter", *options, template), tmp_path)
    assert done.returncode == 1
    assert HOOK["report"]({**GOOD, "email": "ops"}) in done.stderr
    assert not (tmp_path / "projects" / "other").exists()


def test_questions_explain_themselves_and_typed_braces_are_refused(template: Path, tmp_path: Path) -> None:
    """Asked one by one, each question says in a sentence what its answer is for, choices included."""
    typed = "{{ x }}\nmy_shop\n\n\n\n\n2\nno\n"
    command = (sys.executable, "-m", "cookiecutter", "--output-dir", tmp_path, template)
    done = run(command, tmp_path, stdin=typed, COLUMNS="400")
    prompts = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["__prompts__"]
    sentences = [*prompts["broker"].values(), *(text for name, text in prompts.items() if name != "broker")]
    assert prompts.keys() == GOOD.keys()
    assert all(sentence in done.stdout for sentence in sentences)
    assert done.returncode == 1
    assert HOOK["report"]({**GOOD, "project_name": "{{ x }}"}) in done.stdout
    assert not (tmp_path / "my_shop").exists()


def test_the_default_slug_is_one_that_would_do(template: Path, tmp_path: Path) -> None:
    """Names in other scripts, with a digit first or without a letter: their derived slug is accepted."""
    names = {"24 Hours & More": "hours_more", "北京 商店": "bei_jing_shang_dian", "🚀": "corner_shop"}
    for number, (name, slug) in enumerate({**names, "N" * 60: "n" * 30}.items()):
        home = tmp_path / str(number)
        done = cookiecutter(template, home, {"project_name": name, "init_git": "no"})
        assert done.returncode == 0, done.stdout
        assert tree(home / "projects") >= {slug}
