"""Settings by environment; ENVIRONMENT selects one of local, production and test (config/env.py)."""
