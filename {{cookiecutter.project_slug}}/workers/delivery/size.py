"""How large a task's message may be: refused at the sender, and by a worker, also where it is packed small."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from kombu import compression

#: Bytes of a task's body. RabbitMQ writes it to three disks, Redis keeps it in memory, each worker holds all that it
#: prefetched and reads it in the process that serves all slots. A file goes to a store, and its key into the message.
LARGEST_BODY: Final = 1024 * 1024

_UNPACKERS: Final[Mapping[str, Callable[[], Any]]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lzma.LZMADecompressor,
}


class MessageTooLargeError(ValueError):
    """A message has more than LARGEST_BODY of arguments."""


def connect() -> None:
    """Have kombu unpack no more than LARGEST_BODY: it does so before anybody has looked at the message."""
    for kind in compression.encoders():
        unpacker = _UNPACKERS.get(kind)
        unpack = partial(_unpack, unpacker) if unpacker else _refuse
        known: Any = compression.get_encoder(kind)
        compression.register(known[0], unpack, kind)


def refuse_large(body: bytes | str, headers: Mapping[str, Any] | None) -> None:
    """Raise MessageTooLargeError where a task's serialised body is too large; a dead letter keeps what it was."""
    if len(body) > LARGEST_BODY and headers and "task" in headers and "dead_letter" not in headers:
        raise MessageTooLargeError(
            f"{headers['task']} was sent with {len(body) / LARGEST_BODY:.1f} MiB of arguments; a message may have "
            f"{LARGEST_BODY // 1024} KiB: store them, and send the task their key"
        )


def _unpack(unpacker: Callable[[], Any], body: bytes) -> bytes:
    unpacked: bytes = unpacker().decompress(body, LARGEST_BODY + 1)
    if len(unpacked) > LARGEST_BODY:
        raise MessageTooLargeError(f"{len(body)} bytes hold more than {LARGEST_BODY} when they are unpacked")
    return unpacked


def _refuse(_body: bytes) -> bytes:
    raise MessageTooLargeError("packed in a way whose size cannot be bounded; use gzip")
