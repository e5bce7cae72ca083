"""The Django app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The shop: its pages, its API and its tasks."""

    name = "shop"
    verbose_name = "Shop"
    # Links of the page frame: label and URL name.
    navigation = (
        ("Shop", "shop:front"),
        ("Imports", "shop:imports"),
        ("Slips", "shop:slips"),
        ("Reports", "shop:reports"),
    )
