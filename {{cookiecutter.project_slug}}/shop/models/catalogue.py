"""Products, and the imports that bring them in."""

from django.db import models

LONGEST_NAME = 120
LONGEST_CATEGORY = 40


class Product(models.Model):
    """Something on the shelf."""

    # The merchant's own number: an import finds the row to update by it, without a look-up first.
    sku = models.CharField("SKU", primary_key=True, max_length=20)
    name = models.CharField(max_length=LONGEST_NAME)
    category = models.CharField(max_length=LONGEST_CATEGORY, db_index=True)
    price_cents = models.PositiveIntegerField()

    class Meta:
        ordering = ("category", "name")

    def __str__(self) -> str:
        return f"{self.name} ({self.sku})"


class ImportJob(models.Model):
    """One uploaded catalogue and how far its import has come."""

    class State(models.TextChoices):
        """Where the import stands."""

        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    name = models.CharField(max_length=120)
    # In the database and not in a folder: the web server that takes the file and the worker that reads it
    # are different hosts in production.
    content = models.BinaryField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    message = models.CharField(max_length=200, blank=True)
    rows_total = models.PositiveIntegerField(default=0)
    rows_done = models.PositiveIntegerField(default=0)
    rows_bad = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"import {self.pk} of {self.name}"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in {self.State.DONE, self.State.FAILED}


class ImportProblem(models.Model):
    """A row that was left out, by its line in the file."""

    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="problems")
    line = models.PositiveIntegerField()
    message = models.CharField(max_length=200)

    class Meta:
        ordering = ("line",)

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"
