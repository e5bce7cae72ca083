"""A project rolled out by its playbooks to eleven real hosts, and what happens to fleets afterwards."""
