"""The hosts of an environment: what they are for, what they are, and whether that fits workers.yml."""
