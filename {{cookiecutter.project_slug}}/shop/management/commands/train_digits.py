"""manage.py train_digits: make the model of the ml group, and slips to try it on."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from shop import model_file


class Command(BaseCommand):
    """Trains on scikit-learn's bundled digits: nothing is downloaded."""

    help = "Train the model that reads delivery slips, and write sample slips of digits it has never seen."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--if-missing", action="store_true", help="do nothing if there is a usable model")
        parser.add_argument(
            "--slips", type=Path, default=settings.DATA_DIR / "slips", help="folder of the sample slips"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Train, unless told not to."""
        path, slips = model_file.digits_path(), options["slips"]
        if options["if_missing"] and _usable(path) and any(slips.glob("*.png")):
            self.stdout.write(f"model: it is there, at {path}")
            return
        # Not at the top: `manage.py help` need not wait for scikit-learn, nor a start that has its model.
        from shop import digits  # noqa: PLC0415

        model, unseen, answers = digits.train()
        digits.save(model, path)
        accuracy = f"{model.accuracy:.1%} of {len(answers)}"
        self.stdout.write(f"model: reads {accuracy} digits that it has never seen; it is {path}")
        pictures = digits.samples(unseen, answers)
        _write(slips, pictures)
        self.stdout.write(f"slips: {len(pictures)} samples of those digits are in {slips}")


def _usable(path: Path) -> bool:
    try:
        _, file = model_file.opened(path)
    except model_file.ModelRefusedError:
        return False
    file.close()
    return True


def _write(folder: Path, pictures: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    for number, (digits, picture) in enumerate(pictures.items(), 1):
        (folder / f"{number:03}-{digits}.png").write_bytes(picture)
