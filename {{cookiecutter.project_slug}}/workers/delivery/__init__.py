"""What stands between Celery and the tasks: how a task is sent, acknowledged and shown."""
