"""Files that are there as a whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_whole(
    path: Path,
    content: bytes,
    mode: int = 0o600,
    owner: tuple[int, int] = (-1, -1),
    refuse: Callable[[str], None] = lambda _new: None,
) -> None:
    """Write `content` beside `path`, have it looked at, and put it in `path`'s place; its folder is there.

    Nobody but root reads it before it is its owner's: user and group, -1 for the caller's. `refuse` gets the new file's
    name, and raises where it must not take the old one's place: that is left as it is.
    """
    # Not beginning with the file's name: services read whatever begins with their own.
    handle, new = tempfile.mkstemp(prefix=".new.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chown(new, *owner)
        os.chmod(new, mode)
        refuse(new)
        os.rename(new, path)
    finally:
        Path(new).unlink(missing_ok=True)
