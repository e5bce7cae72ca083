"""Files that people upload: checked while they still look, worked on later."""

import re
import struct
from typing import TYPE_CHECKING, TypeAlias

from django.db import transaction

from shop.models import DeliverySlip, ImportJob
from shop.tasks.batch import import_catalogue
from shop.tasks.ml import read_slip

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

MIB = 1024 * 1024
# A hundred thousand rows. What is larger does not belong in a form, nor in a field of the database.
LARGEST_CATALOGUE = 5 * MIB
LARGEST_SLIP = MIB // 4
# Pixels: 16 million of them are 16 MB in the worker that unpacks them.
LONGEST_SIDE = 4000
Upload: TypeAlias = "UploadedFile[bytes]"
HEADER = 24  # bytes of a PNG up to and with its width and height
PNG = b"\x89PNG\r\n\x1a\n"
NUMBER = re.compile(r"[0-9]{1,12}")


class UploadError(Exception):
    """An upload is refused; the message says why, `field` for what."""

    def __init__(self, message: str, field: str = "file") -> None:
        super().__init__(message)
        self.field = field


def accept_catalogue(file: Upload) -> ImportJob:
    """Keep a catalogue and have it imported."""
    content = _content(file, LARGEST_CATALOGUE)
    with transaction.atomic():  # both or neither: where the task is refused, nothing is kept
        job = ImportJob.objects.create(name=_name(file), content=content)
        import_catalogue.delay(job_id=job.pk)
    return job


def accept_slip(file: Upload, expected: str = "") -> DeliverySlip:
    """Keep the picture of a delivery slip and have it read."""
    content = _content(file, LARGEST_SLIP)
    _check_picture(content)
    if expected and not NUMBER.fullmatch(expected):
        raise UploadError(f"it is not 1 to 12 digits: {expected!r}", "expected")
    with transaction.atomic():
        slip = DeliverySlip.objects.create(name=_name(file), image=content, expected=expected)
        read_slip.delay(slip_id=slip.pk)
    return slip


def _content(file: Upload, largest: int) -> bytes:
    size = file.size or 0
    if not size:
        raise UploadError("the file is empty")
    if size > largest:
        raise UploadError(f"the file has {size / MIB:.1f} MiB; {largest / MIB:g} MiB are allowed")
    return bytes(file.read())


def _name(file: Upload) -> str:
    return "".join(filter(str.isprintable, file.name or "unnamed"))[-120:]


def _check_picture(content: bytes) -> None:
    """Look at the header only: a small file can unpack to gigabytes, and not in the web."""
    if len(content) < HEADER or not content.startswith(PNG):
        raise UploadError("the file is no PNG picture")
    width, height = struct.unpack(">II", content[16:HEADER])
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE):
        raise UploadError(f"the picture has {width} x {height} pixels; {LONGEST_SIDE} a side are allowed")
