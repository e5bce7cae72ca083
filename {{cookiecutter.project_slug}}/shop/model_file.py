"""The file a trained model lies in: a line of JSON that says what made it, then the model.

Apart from digits.py, so that it can be asked for without loading scikit-learn.
"""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, TypedDict

from django.conf import settings

LIBRARY = "scikit-learn"


def digits_path() -> Path:
    """Where the model that reads delivery slips lies: in a folder that the workers of every host see."""
    return Path(settings.DATA_DIR) / "models" / "digits.model"


class ModelRefusedError(Exception):
    """There is no model here that this process may use."""


class Label(TypedDict):
    """What made a model, and how well it did."""

    library: str
    accuracy: float


def write(path: Path, accuracy: float, dump: Callable[[IO[bytes]], Any]) -> None:
    """Write a model behind its label; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    label = Label(library=version(LIBRARY), accuracy=accuracy)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        file.write(json.dumps(label).encode() + b"\n")
        dump(file)
    unfinished.replace(path)


def opened(path: Path) -> tuple[Label, IO[bytes]]:
    """Open a model that this process may use, after its label.

    Refused before it is unpickled: a model of another version may load, and then read nonsense.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise ModelRefusedError(_advice(f"there is no model at {path} ({error.strerror})")) from error
    try:
        return _checked(path, file.readline()), file
    except ModelRefusedError:
        file.close()
        raise


def _checked(path: Path, line: bytes) -> Label:
    try:
        values = json.loads(line)
        label = Label(library=values["library"], accuracy=float(values["accuracy"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelRefusedError(_advice(f"{path} is no model of this shop")) from error
    if label["library"] != version(LIBRARY):
        raise ModelRefusedError(
            _advice(f"{path} was trained by {LIBRARY} {label['library']}, and this is {version(LIBRARY)}")
        )
    return label


def _advice(problem: str) -> str:
    return f"{problem}; `manage.py train_digits` makes one"
