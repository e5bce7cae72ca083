"""Files that people upload: checked while they still look, worked on later."""

import re
import struct

from django.core.files.uploadedfile import UploadedFile

from shop.models import DeliverySlip, ImportJob
from shop.tasks.batch import import_catalogue
from shop.tasks.ml import read_slip

MIB = 1024 * 1024
LARGEST_CATALOGUE = 5 * MIB
LARGEST_SLIP = MIB // 4
LONGEST_SIDE = 4000
PNG = b"\x89PNG\r\n\x1a\n"
NUMBER = re.compile(r"[0-9]{1,12}")


class UploadError(Exception):
    """An upload is refused; the message says why, `field` for what."""

    def __init__(self, message: str, field: str = "file") -> None:
        super().__init__(message)
        self.field = field


def accept_catalogue(file: UploadedFile) -> ImportJob:
    """Keep a catalogue and have it imported."""
    content = _content(file, LARGEST_CATALOGUE)
    job = ImportJob.objects.create(name=_name(file), content=content)
    import_catalogue.delay(job_id=job.pk)
    return job


def accept_slip(file: UploadedFile, expected: str = "") -> DeliverySlip:
    """Keep the picture of a delivery slip and have it read."""
    content = _content(file, LARGEST_SLIP)
    _check_picture(content)
    if expected and not NUMBER.fullmatch(expected):
        raise UploadError(f"it is not 1 to 12 digits: {expected!r}", "expected")
    slip = DeliverySlip.objects.create(name=_name(file), image=content, expected=expected)
    read_slip.delay(slip_id=slip.pk)
    return slip


def _content(file: UploadedFile, largest: int) -> bytes:
    size = file.size or 0
    if not size:
        raise UploadError("the file is empty")
    if size > largest:
        raise UploadError(f"the file has {size / MIB:.1f} MiB; {largest / MIB:g} MiB are allowed")
    return file.read()


def _name(file: UploadedFile) -> str:
    return (file.name or "unnamed")[-120:]


def _check_picture(content: bytes) -> None:
    """Look at the header only: a small file can unpack to gigabytes, and the web must not be what unpacks it."""
    if len(content) < 24 or not content.startswith(PNG):
        raise UploadError("the file is no PNG picture")
    width, height = struct.unpack(">II", content[16:24])
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE):
        raise UploadError(f"the picture has {width} x {height} pixels; {LONGEST_SIDE} a side are allowed")
