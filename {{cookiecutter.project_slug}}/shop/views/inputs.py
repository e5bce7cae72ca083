"""What the API takes: typed, and refused with every problem and its place at once."""

import re
from datetime import date
from typing import Annotated, TypeVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import validate_email
from django.http import HttpRequest
from django.utils import timezone
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from shop.catalogue import SKU
from shop.orders import CARD, MOST_LINES, MOST_OF_ONE, Wanted
from shop.uploads import Upload

# Long enough not to be guessed or repeated by chance, and safe in logs.
KEY = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RefusedError(Exception):
    """A request that is not carried out: what is wrong, by where."""

    def __init__(self, problems: dict[str, str], status: int = 400) -> None:
        super().__init__(problems)
        self.problems = problems
        self.status = status


def _email(value: str) -> str:
    try:
        validate_email(value)
    except DjangoValidationError:
        raise ValueError("is no e-mail address") from None
    return value


class Input(BaseModel):
    """The base of all: nothing is converted, nothing unknown is passed over."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Line(Input):
    """So many of one product."""

    sku: str = Field(pattern=SKU.pattern)
    quantity: int = Field(ge=1, le=MOST_OF_ONE)


class OrderInput(Input):
    """The body of POST /api/orders."""

    email: Annotated[str, Field(max_length=254), AfterValidator(_email)]
    lines: list[Line] = Field(min_length=1, max_length=MOST_LINES)
    card_token: str = Field(pattern=f"^{CARD}$")
    newsletter: bool = False

    @field_validator("lines")
    @classmethod
    def _each_once(cls, lines: list[Line]) -> list[Line]:
        if len({line.sku for line in lines}) < len(lines):
            raise ValueError("name a product twice; add up its quantities")
        return lines

    def wanted(self) -> Wanted:
        """The order that is meant."""
        quantities = {line.sku: line.quantity for line in self.lines}
        return Wanted(self.email, quantities, self.card_token, self.newsletter)


class NewsletterInput(Input):
    """The body of POST /api/newsletters."""

    subject: str = Field(min_length=1, max_length=120, pattern=r"^[^\r\n\x00]*$")
    body: str = Field(min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")


class ReportInput(Input):
    """The body of POST /api/reports."""

    # From JSON a date is text; strictness would ask for a date object.
    day: Annotated[date, Field(strict=False)] = Field(default_factory=timezone.localdate)

    @field_validator("day")
    @classmethod
    def _begun(cls, day: date) -> date:
        if day > timezone.localdate():
            raise ValueError(f"has not begun: today is {timezone.localdate()}")
        return day


Kind = TypeVar("Kind", bound=Input)


def body(request: HttpRequest, kind: type[Kind]) -> Kind:
    """Read the JSON body of a request."""
    try:
        return kind.model_validate_json(request.body or b"{}")
    except ValidationError as error:
        raise RefusedError({_where(problem): _what(problem) for problem in error.errors()}) from error


def idempotency_key(request: HttpRequest) -> str | None:
    """Read the key under which a request counts once."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not KEY.fullmatch(key):
        raise RefusedError({"header Idempotency-Key": "it is not 8 to 64 of: letters, digits, . _ -"})
    return key


def uploaded(request: HttpRequest) -> Upload:
    """Find the uploaded file."""
    file = request.FILES.get("file")
    if file is None:
        raise RefusedError({"file": "it is missing; send it as multipart/form-data"})
    return file


def _where(problem: ErrorDetails) -> str:
    """Write ('lines', 0, 'sku') as lines[0].sku."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
    return place.removeprefix(".") or "body"


def _what(problem: ErrorDetails) -> str:
    return problem["msg"].removeprefix("Value error, ")
