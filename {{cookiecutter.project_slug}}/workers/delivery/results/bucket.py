"""The journal in an S3-compatible bucket: s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=REGION.

An object an entry. Its name tells what it is, PREFIX/KIND/KEY/EXPIRES-STATE-CHANCE: a listing answers most questions.
Credentials come the standard way: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the role of the host. They
need s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on PREFIX/*.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qs, quote, unquote, urlsplit
from uuid import uuid4

import boto3
from botocore.config import Config

from workers.delivery.results.bounded import bounded
from workers.delivery.results.journal import RESULT, Entry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

#: Seconds to connect and to wait for an answer; tried once: whoever stores a result waits for it.
TIMEOUTS: Final[dict[str, Any]] = {"connect_timeout": 0.5, "read_timeout": 1.0, "retries": {"total_max_attempts": 1}}

#: Names in a listing: the most that S3 gives at once.
PAGE: Final = 1000

T = TypeVar("T")


class Bucket:
    """Objects in a bucket. Ages are by its clock; expiry by the hosts', whose seconds don't matter in a day."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        """Nothing is asked yet."""
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    @classmethod
    def of_url(cls, url: str, project: str, ca_file: str | None) -> "Bucket":
        """The bucket that a URL names, checked when the settings were read. Without a prefix it is the project."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        endpoint = query.get("endpoint")
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=query.get("region"),
            # Our own authority signs our own servers; Amazon's are the system's business.
            verify=ca_file if endpoint else None,
            config=Config(**TIMEOUTS, s3={"addressing_style": "path"} if endpoint else {}),
        )
        return cls(client, parts.netloc, f"{parts.path.strip('/') or project}/")

    def within(self, seconds: float, work: Callable[[], T]) -> T:
        """Run `work`: several requests, and looking up a name knows no time-out."""
        return bounded(work, seconds)

    def add(self, entry: Entry) -> None:
        """Write down an entry."""
        name = f"{int(time() + entry.lifetime)}-{entry.state}-{uuid4().hex[:12]}"
        self._client.put_object(
            Bucket=self._bucket, Key=f"{self._folder(entry.kind, entry.key)}{name}", Body=entry.value
        )

    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1).get("Contents")

    def find(self, keys: Iterable[str]) -> list[Entry]:
        """The results under these keys; several under one, perhaps."""
        wanted = set(keys)
        # One by one they would be as many requests.
        folder = self._folder(RESULT, wanted.copy().pop()) if len(wanted) == 1 else f"{self._prefix}{RESULT}/"
        return [self._read(entry) for entry in self._listed(folder) if entry.key in wanted and entry.lifetime > 0]

    def entries(self) -> Iterator[Entry]:
        """All that has not expired."""
        return (self._read(entry) for entry in self._listed(self._prefix) if entry.lifetime > 0)

    def remove(self, handles: Iterable[Any]) -> None:
        """Remove these; those that are gone already are nothing to complain about."""
        for handle in handles:
            self._client.delete_object(Bucket=self._bucket, Key=handle)

    def remove_expired(self) -> None:
        """Remove what nobody is to see any more."""
        self.remove(entry.handle for entry in self._listed(self._prefix) if entry.lifetime <= 0)

    def _folder(self, kind: str, key: str) -> str:
        return f"{self._prefix}{kind}/{quote(key, safe='')}/"

    def _listed(self, prefix: str) -> Iterator[Entry]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, PaginationConfig={"PageSize": PAGE}
        )
        for page in pages:
            now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
            for item in page.get("Contents", ()):
                yield self._entry(item, now)

    def _entry(self, item: "ObjectTypeDef", now: datetime) -> Entry:
        kind, key, name = item["Key"].removeprefix(self._prefix).split("/")
        expires, state, _ = name.split("-")
        return Entry(
            kind=kind,  # type: ignore[arg-type]  # only `add` writes it
            key=unquote(key),
            state=state,
            value=b"",
            lifetime=int(expires) - time(),
            age=(now - item["LastModified"]).total_seconds(),
            handle=item["Key"],
        )

    def _read(self, entry: Entry) -> Entry:
        answer = self._client.get_object(Bucket=self._bucket, Key=entry.handle)
        return replace(entry, value=answer["Body"].read())
