"""One folder a promise; `python -m tests` runs them all and says how long each took."""
