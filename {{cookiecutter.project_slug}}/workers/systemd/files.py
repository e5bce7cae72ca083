"""The files of a host that `workers units` has written, told by their first line from those of somebody else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path, PurePosixPath
from typing import Final, Literal

#: The first line of each. What follows is known not to be an owner's own.
MARK: Final = "# Written by `python -m workers units` for {project}, which overwrites it: put changes into a drop-in.\n"
#: Where marked files may lie, from the root of the file system.
FOLDERS: Final = ("etc/systemd/system", "etc/sysusers.d", "etc/tmpfiles.d", "etc/logrotate.d")


@dataclass(frozen=True)
class Change:
    """A file that is not as it should be: its path from the root, what is in it, what should be; None for no file."""

    path: PurePosixPath
    before: str | None
    after: str | None

    @property
    def what(self) -> Literal["new", "changed", "removed"]:
        """In a word."""
        if self.before is None:
            return "new"
        return "removed" if self.after is None else "changed"

    @property
    def diff(self) -> str:
        """The lines that differ."""
        before, after = ((text or "").splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(unified_diff(before, after, f"/{self.path}", f"/{self.path}", n=1))

    def apply(self, root: Path) -> None:
        """Make the file what it should be, as a whole or not at all."""
        file = root / self.path
        if self.after is None:
            file.unlink()
            _forget(file)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.new")
        new.write_text(self.after, encoding="utf-8")
        new.chmod(0o644)
        new.replace(file)


def changes(root: Path, project: str, wanted: Mapping[PurePosixPath, str]) -> list[Change]:
    """What differs under `root` from the `wanted` files of a project, in the order of their paths."""
    mark = MARK.format(project=project)
    before = dict(_marked(root, mark))
    after = {path: mark + text for path, text in wanted.items()}
    paths = sorted({*before, *after})
    found = (Change(path, before.get(path, _read(root / path)), after.get(path)) for path in paths)
    return [change for change in found if change.before != change.after]


def _marked(root: Path, mark: str) -> Iterator[tuple[PurePosixPath, str]]:
    for folder in FOLDERS:
        for found in (root / folder).glob("celery-*"):
            yield from _files(root, found, mark)


def _files(root: Path, found: Path, mark: str) -> Iterator[tuple[PurePosixPath, str]]:
    """The file itself, or the drop-ins in the folder; links say what is enabled, and are systemctl's."""
    for file in sorted(found.iterdir()) if found.is_dir() else [found]:
        text = None if file.is_symlink() else _read(file)
        if text is not None and text.startswith(mark):
            yield PurePosixPath(file.relative_to(root)), text


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else None


def _forget(file: Path) -> None:
    """Remove what is left of a unit: its folder of drop-ins where that is empty, and the links that enabled it."""
    if file.parent.suffix == ".d" and file.parent.name.startswith("celery-") and not any(file.parent.iterdir()):
        file.parent.rmdir()
    for enabled in file.parent.glob("*.wants"):
        (enabled / file.name).unlink(missing_ok=True)
