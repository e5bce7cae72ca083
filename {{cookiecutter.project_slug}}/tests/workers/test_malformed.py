"""A file that is no topology gets one message with its place, never a traceback."""

from pathlib import Path

import pytest

from tests.workers.sample import SOUND, refusals

MALFORMED = [
    (b"", "workers.yml:1:1 the file (W01): the file is empty; it must hold a mapping with at least `project` and `groups`"),
    (b"# nothing\n", "workers.yml:1:1 the file (W01): the file is empty; it must hold a mapping with at least `project` and `groups`"),
    (b"- default\n- batch\n", "workers.yml:1:1 the file (W01): expected a mapping at the top, got: a list"),
    (b"just text", "workers.yml:1:1 the file (W01): expected a mapping at the top, got: a single value"),
    (b"project: [a\n", "workers.yml:2:1 the file (W01): expected ',' or ']', but got '<stream end>'"),
    (b"project: a\n\tgroups: b\n", "workers.yml:2:1 the file (W01): found character '\\t' that cannot start any token"),
    (b"project: a\n\0\n", "workers.yml:2:1 the file (W01): a NUL byte: not a text file"),
    (b"project: a\nabout: \x07\n", "workers.yml:2:8 the file (W01): a control character: not plain text"),
    (b"project: a\nabout: \xff\n", "workers.yml:2:8 the file (W01): not UTF-8; save the file as UTF-8"),
    (b"project: a\nproject: b\n", "workers.yml:2:1 project (W01): written twice, first in line 1; keep one"),
    (b"a: &x [1]\nb: *x\n", "workers.yml:2:1 b (W01): an alias (`*name`); write the values out"),
    (b"a: 2026-11-21\n", "workers.yml:1:4 a (W01): timestamp is not a plain value; quote it if text is meant"),
    (b"a: !!python/name:os.system x\n", "workers.yml:1:4 a (W01): python/name:os.system is not a plain value; quote it if text is meant"),
    (b"[a, b]: 1\n", "workers.yml:1:1 the file (W01): a key must be a plain word"),
    (b"a: 1:30\n", "workers.yml:1:4 a (W03): write a plain decimal number, got: 1:30"),
    (b"a: 0o17\n", "workers.yml:1:1 a (W02): unknown key; known here: beat, broker, database, groups, host, local, project, relay, web"),
    (b"a: " + b"9" * 5000 + b"\n", f"workers.yml:1:4 a (W03): write a plain decimal number, got: {'9' * 37}..."),
    (b"a: .inf\n", "workers.yml:1:4 a (W03): expected a finite plain number, got: .inf"),
    (b"a: yes\n", "workers.yml:1:4 a (W03): expected true or false, got: yes"),
    (b"a: " + b"[" * 20 + b"]" * 20 + b"\n", "workers.yml:1:16 a.0.0.0.0.0.0.0.0.0.0.0.0 (W01): nested too deep to be a topology"),
    (b"[" * 20_000, "workers.yml:1:1 the file (W01): nested too deep to be a topology"),
    (b"#" * 300_000, "workers.yml:1:1 the file (W01): larger than 262144 bytes: not a topology"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "message"), MALFORMED, ids=[message.partition(": ")[2][:40] for _, message in MALFORMED]
)
def test_a_malformed_file_is_refused_with_its_place(tmp_path: Path, raw: bytes, message: str) -> None:
    """Line and column stand before the message, and the message says what was found."""
    assert refusals(tmp_path, raw)[0] == message


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A directory in its place stands for every error of the operating system; root may read any file."""
    (tmp_path / "workers.yml").mkdir()
    from workers.topology import TopologyError, load

    with pytest.raises(TopologyError, match=r"workers\.yml:1:1 the file \(W01\): cannot be read: Is a directory"):
        load(tmp_path, "production")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The message names the file that is looked for."""
    from workers.topology import TopologyError, load

    with pytest.raises(TopologyError, match=r"workers\.yml:1:1 the file \(W01\): cannot be read: No such file"):
        load(tmp_path, "production")


def write_sizes(root: Path, text: str) -> None:
    """Write what is laid over workers.yml."""
    sizes = root / "environments/production/sizes.yml"
    sizes.parent.mkdir(parents=True, exist_ok=True)
    sizes.write_text(text)


def test_problems_of_the_sizes_name_their_own_file(tmp_path: Path) -> None:
    """A wrong number laid over workers.yml is found where it was written."""
    write_sizes(tmp_path, "groups:\n  batch:\n    concurrency: 20\n")
    assert refusals(tmp_path, SOUND) == [
        "workers.yml:24:5 batch.max_memory_per_child (W14): 20 slots x 1000 MiB + 120 MiB for the main process = 20120 > host.memory 8192: the kernel would kill tasks; lower concurrency to 8 or lower max_memory_per_child, or raise host.memory"
    ]
    write_sizes(tmp_path, "groups:\n  batch:\n    concurency: 20\n")
    assert refusals(tmp_path, SOUND) == [
        "environments/production/sizes.yml:3:5 batch.concurency (W02): unknown key; did you mean concurrency?"
    ]


def test_sizes_of_a_group_that_was_renamed_are_refused(tmp_path: Path) -> None:
    """Not taken for a new group, of which everything but the sizes is missing."""
    write_sizes(tmp_path, "groups:\n  default: {hosts: 1}\n  batch: {hosts: 1}\n")
    assert refusals(tmp_path, SOUND.replace("  batch:", "  batches:")) == [
        "environments/production/sizes.yml:3:3 batch (W02): workers.yml has no such group; did you mean batches?"
    ]


def test_a_key_that_is_missing_is_missing_where_the_group_stands(tmp_path: Path) -> None:
    """Sizes that are laid over it are not where anybody would add it."""
    write_sizes(tmp_path, "groups:\n  batch: {hosts: 1}\n")
    assert refusals(tmp_path, SOUND.replace("    about: long tasks\n", "")) == [
        "workers.yml:18:3 batch.about (W04): missing; add it"
    ]
