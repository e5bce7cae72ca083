"""The key that says which calls are the same."""

import hashlib
import inspect
from collections.abc import Callable
from string import Formatter
from typing import Any, Final

#: What a key is made from: a format string over the function's arguments, or a callable that takes them.
Recipe = str | Callable[..., str]

#: Characters of the table's column; of a longer key the end is replaced by a digest.
LONGEST: Final = 200
_DIGEST: Final = 64


def key_of(function: Callable[..., Any], recipe: Recipe) -> Callable[..., str]:
    """A function that takes the arguments of `function` and gives the key, which begins with the function's name.

    Raises TypeError for a recipe that could not work, where it is written and not at the first call.
    """
    name = f"{function.__module__}.{function.__qualname__}"
    signature = inspect.signature(function)
    if isinstance(recipe, str):
        _check(recipe, list(signature.parameters), name)

    def key(*args: Any, **kwargs: Any) -> str:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        own = recipe.format_map(given.arguments) if isinstance(recipe, str) else recipe(*args, **kwargs)
        if not isinstance(own, str) or not own:
            raise TypeError(f"the key of {name} is {own!r}; it must be a text that is not empty")
        return _bounded(f"{name}:{own}")

    return key


def _check(recipe: str, parameters: list[str], name: str) -> None:
    # `order.id` and `ids[0]` are the argument's: its name ends there.
    named = [field.split(".")[0].split("[")[0] for _, field, _, _ in Formatter().parse(recipe) if field is not None]
    takes = f"{name} takes {', '.join(parameters) or 'none'}"
    for field in named:
        if field not in parameters:
            raise TypeError(f"key={recipe!r} names {field!r}, which is no argument: {takes}")
    if not named:
        message = f"key={recipe!r} names no argument, so all calls would count as one: {takes}"
        raise TypeError(f"{message}; a callable may return a constant, where that is meant")


def _bounded(key: str) -> str:
    if len(key) <= LONGEST:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: LONGEST - _DIGEST - 1]}~{digest}"
