"""The local run: everything on one machine, for development and for the demo."""
