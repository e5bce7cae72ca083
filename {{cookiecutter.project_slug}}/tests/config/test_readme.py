"""The README's table of variables is printed from the model."""

from pydantic.fields import FieldInfo

from config.env import BASE_DIR, Environment


def table() -> list[str]:
    """The rows that the README must show."""
    return [_row(name, field) for name, field in Environment.model_fields.items()]


def _row(name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    values = extra.get("values")
    local = values.get("local") if isinstance(values, dict) else None
    about = f"{extra.get('about')}: {field.description}" if extra.get("about") else field.description
    required = field.is_required() or name == "environment"
    production = "required" if required else _shown(field.default)
    locally = "in `.env`" if required and local is None else _shown(field.default if local is None else local)
    return f"| `{name.upper()}` | {about} | {locally} | {production} |"


def _shown(value: object) -> str:
    if value in (None, ""):
        return "none"
    text = str(value).replace(f"{BASE_DIR}/", "").replace("|", "\\|")
    return f"`{text.lower() if isinstance(value, bool) else text}`"


def test_the_readme_lists_every_variable() -> None:
    """A variable that is added or changed without its line in the README is noticed here."""
    lines = (BASE_DIR / "README.md").read_text(encoding="utf-8").splitlines()
    begin = lines.index("| variable | is | locally | in production |") + 2
    assert lines[begin : begin + len(table())] == table()
