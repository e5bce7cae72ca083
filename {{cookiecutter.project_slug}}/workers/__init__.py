"""The background work of the project: the topology, what is derived from it, and the operator's command line."""
