"""Write `.env` from `.env.example`, each placeholder replaced by a secret of its own.

`generate` stands for a new secret; `generate:<name>` for the same one wherever that name stands. Run it as
`python config/dotenv.py`: it needs nothing but Python, because it runs before anything is installed.
"""

import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = re.compile(r"\bgenerate(?::([a-z_]+))?")


def fill(example: str) -> str:
    """Replace the placeholders in the values; comments stay as they are."""
    named: dict[str, str] = {}

    def secret(match: re.Match[str]) -> str:
        new = secrets.token_urlsafe(48)
        return named.setdefault(match[1], new) if match[1] else new

    lines = example.splitlines(keepends=True)
    return "".join(line if line.startswith("#") else PLACEHOLDER.sub(secret, line) for line in lines)


def write(path: Path, text: str) -> None:
    """Create the file for its owner only; an existing one is never touched."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except BaseException:
        path.unlink()  # half a file would be taken for a whole one next time
        raise


def main(root: Path = ROOT) -> int:
    """Write the file; say so in a line."""
    target = root / ".env"
    try:
        write(target, fill((root / ".env.example").read_text(encoding="utf-8")))
    except FileExistsError:
        print(f"{target} exists: left as it is")  # noqa: T201
    except OSError as error:
        print(f"{target} could not be written: {error}", file=sys.stderr)  # noqa: T201
        return 1
    else:
        print(f"{target} written, with new secrets; only you can read it")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
