"""What browsers are told to refuse."""

from csp.constants import NONE, SELF


def content_security_policy() -> dict[str, dict[str, list[str]]]:
    """Only what this site serves itself: no inline scripts or styles, no other hosts, no frames."""
    return {
        "DIRECTIVES": {
            "default-src": [SELF],
            "img-src": [SELF, "data:"],  # the admin's icons
            "object-src": [NONE],
            "base-uri": [NONE],
            "form-action": [SELF],
            "frame-ancestors": [NONE],
        }
    }
