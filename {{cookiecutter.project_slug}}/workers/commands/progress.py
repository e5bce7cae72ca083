"""How commands that wait tell what they wait for: a line for each change, with the seconds since the beginning."""

import time
from collections.abc import Callable

from rich.text import Text

from workers.commands.output import stdout


def progress() -> Callable[[str, str], None]:
    """What prints `words` about `subject`."""
    began = time.monotonic()

    def say(subject: str, words: str) -> None:
        stdout.print(Text.assemble((f"{time.monotonic() - began:7.1f} s  ", "dim"), (f"{subject}  ", "bold"), words))

    return say
