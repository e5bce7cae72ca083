"""The shop's own environment variables."""

from pydantic import SecretStr, ValidationInfo, field_validator

from config.env import Variables, loaded, variable
from config.env import environment as project
from config.variables import in_production


class Environment(Variables):
    """The API's token and the payment provider."""

    shop_api_token: SecretStr = variable(
        "32 or more random characters",
        example="(python -c 'import secrets; print(secrets.token_urlsafe(48))')",
        test="only-for-tests-and-therefore-no-secret",
        min_length=32,
    )
    shop_payment_url: str | None = variable(
        "the provider's address, with https",
        example="https://payments.example.com/v1",
        default=None,
        pattern=r"^https?://\S+[^/\s]$",
    )
    shop_payment_key: SecretStr = variable(
        "the key that the provider gave you, 12 or more characters",
        example="(random)",
        test="only-for-tests",
        min_length=12,
    )
    # Read by create_local_admin, which exists nowhere but on a developer's machine.
    admin_password: SecretStr | None = variable("a password", example="(random)", default=None)

    @field_validator("shop_payment_url")
    @classmethod
    def _real(cls, value: str | None, info: ValidationInfo) -> str | None:
        if in_production(info) and value is None:
            raise ValueError("not set")
        if in_production(info) and not str(value).startswith("https://"):
            raise ValueError(f"found {value!r}, which would send card tokens in plain text")
        return value

    @property
    def sandbox(self) -> bool:
        """Whether this project's own payment sandbox answers, and never in production."""
        return self.environment in {"local", "test"}

    @property
    def payment_url(self) -> str:
        """The provider: without a variable it is the sandbox, which has an address locally only."""
        return self.shop_payment_url or f"{project().site_url}/sandbox"


def environment() -> Environment:
    """The shop's variables, read once a process."""
    return loaded(Environment)
