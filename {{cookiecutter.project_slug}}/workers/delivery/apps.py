"""The Django app: its tables and its pages in the admin."""

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """How a task is sent, kept, and given up."""

    name = "workers.delivery"
    label = "delivery"
    verbose_name = "Delivery of tasks"
