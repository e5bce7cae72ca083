"""The demonstration behind `manage.py demo`: real work for every group, and what became of it."""
