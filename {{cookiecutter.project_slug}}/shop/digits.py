"""The model that reads handwritten digits, and the pictures it reads.

Imported by the tasks of the ml group when they run and by `train_digits`, and by nothing else: numpy and
scikit-learn are a hundred megabytes that the web and the other workers can do without.
"""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from shop import model_file

# A slot reads one picture at a time, on one core. Unasked, joblib counts the machine's physical cores, and warns where
# /sys is hidden from it, as it may be in a hardened unit.
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")

Pixels = NDArray[np.float64]
Answers = NDArray[np.int64]

CELL = 8  # pixels of a digit's side, as the model knows it
INK = 16.0  # the darkest value of the digits set; the lightest is 0
SCALE = 8  # of a picture over its cells
LONGEST = 12  # digits of a number
# Fixed, so that every machine has the same digits to read that its model has not seen.
SEED = 7


class UnreadableError(Exception):
    """The picture holds no row of digits."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The number in a picture, and how sure its least certain digit is, from 0 to 1."""

    digits: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model and the share of digits it had never seen that it read right."""

    estimator: Any
    accuracy: float

    def read(self, picture: bytes) -> Reading:
        """Read a row of digits."""
        shares = self.estimator.predict_proba(cells(picture))
        best = self.estimator.classes_[shares.argmax(axis=1)]
        return Reading("".join(str(digit) for digit in best), float(shares.max(axis=1).min()))


def train() -> tuple[Model, Pixels, Answers]:
    """Train on three quarters of the digits; the last quarter, which it has never seen, comes back too."""
    digits = load_digits()
    seen, unseen, answers, unseen_answers = train_test_split(
        digits.data, digits.target, test_size=0.25, random_state=SEED, stratify=digits.target
    )
    # The three nearest of the known digits vote; when they disagree, a person must look.
    estimator = KNeighborsClassifier(n_neighbors=3, weights="distance").fit(seen, answers)
    return Model(estimator, float(estimator.score(unseen, unseen_answers))), unseen, unseen_answers


def save(model: Model, path: Path) -> None:
    """Store the model for the workers."""
    model_file.write(path, model.accuracy, partial(joblib.dump, model.estimator))


def load(path: Path) -> Model:
    """Load the model. It is a pickle, which can run code: only a deployment may write to its folder."""
    # One thread: the cores are for the slots, and threads that spin for two milliseconds of work slow them all.
    threadpool_limits(1)
    label, file = model_file.opened(path)
    with file:
        return Model(joblib.load(file), label["accuracy"])


def picture(digits: Sequence[Pixels]) -> bytes:
    """Draw digits side by side, dark on white, as PNG."""
    row = np.hstack([digit.reshape(CELL, CELL) for digit in digits]) / INK * 255
    image = ImageOps.invert(Image.fromarray(row.astype(np.uint8)))
    file = io.BytesIO()
    size = (image.width * SCALE, image.height * SCALE)
    image.resize(size, Image.Resampling.BICUBIC).save(file, "PNG", optimize=True)
    return file.getvalue()


def samples(unseen: Pixels, answers: Answers, length: int = 6) -> dict[str, bytes]:
    """Make pictures of numbers from digits, by the number that each shows."""
    starts = range(0, len(unseen) - length + 1, length)
    return {
        "".join(str(digit) for digit in answers[at : at + length]): picture(list(unseen[at : at + length]))
        for at in starts
    }


def cells(content: bytes) -> Pixels:
    """Cut a picture into squares and bring each to the size and shades that the model knows."""
    try:
        image = ImageOps.invert(Image.open(io.BytesIO(content), formats=["PNG"]).convert("L"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableError("not a PNG picture") from error
    count = round(image.width / image.height)
    if not 1 <= count <= LONGEST:
        raise UnreadableError(f"{image.width} x {image.height} pixels are no row of 1 to {LONGEST} digits")
    small = image.resize((count * CELL, CELL), Image.Resampling.BOX)
    shades = np.asarray(small, dtype=np.float64) / 255 * INK
    return shades.reshape(CELL, count, CELL).swapaxes(0, 1).reshape(count, CELL * CELL)
