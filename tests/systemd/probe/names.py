"""What tries.py tries, by name, for those who cannot import it: it is a part of the generated project."""

from typing import Final

TRIES: Final = (
    "write_outside",
    "run_dropped",
    "run_shell",
    "load_module",
    "open_raw_socket",
    "read_others",
    "read_other_credentials",
)
