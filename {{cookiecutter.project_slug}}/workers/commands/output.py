"""How commands print: tables for people, JSON for programs, reasons for refusals."""

import json
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from rich.console import Console
from rich.text import Text

#: Exit code of a command that refuses: the reasons stand on standard error.
REFUSED: Final = 1

stdout = Console(highlight=False, soft_wrap=True)
stderr = Console(highlight=False, soft_wrap=True, stderr=True)


def refuse(reasons: Sequence[str], codes: Sequence[str] = (), exit_code: int = REFUSED) -> NoReturn:
    """Print each reason on a line of its own and leave."""
    for reason in reasons:
        line = Text(reason)
        line.highlight_regex(r"^\S+:\d+:\d+", "bold")
        line.highlight_regex(r"\([WI]\d\d\)", "red")
        line.highlight_regex(r"(?<=; )[^;]+$", "green")
        stderr.print(line)
    if codes:
        stderr.print(f"refused: {len(reasons)} {'reason' if len(reasons) == 1 else 'reasons'}", style="bold red")
    sys.exit(exit_code)


def print_json(data: Any) -> None:
    """Print `data` for a program: two spaces, no colour."""
    stdout.out(json.dumps(data, indent=2, default=str))
