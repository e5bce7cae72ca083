"""Steps of a worker's start and stop (Celery's bootsteps), one a module."""
