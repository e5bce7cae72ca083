"""The project's configuration: settings, the typed environment, the Celery application, the web server."""
