"""manage.py create_local_admin: somebody to log in as on a developer's machine."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from shop.env import environment

NAME = "admin"


class Command(BaseCommand):
    """Makes the user once; a changed password stays changed."""

    help = "Create the user `admin` with the password ADMIN_PASSWORD of .env (ENVIRONMENT=local only)."

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the user if there is none of that name."""
        if environment().environment != "local":
            raise CommandError("refused: a password that lies in a file is for ENVIRONMENT=local only")
        users = get_user_model()._default_manager
        if users.filter(username=NAME).exists():
            self.stdout.write(f"admin: {NAME} is there")
            return
        password = environment().admin_password
        if password is None:
            raise CommandError("ADMIN_PASSWORD is not set; put one in .env (`make install` writes one)")
        users.create_superuser(username=NAME, password=password.get_secret_value())
        self.stdout.write(f"admin: {NAME} created, with ADMIN_PASSWORD of .env")
