import django.core.validators
import workers.beat.validation
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, unique=True)),
                ("task", models.CharField(max_length=200, validators=[workers.beat.validation.validate_task])),
                (
                    "cron",
                    models.CharField(
                        blank=True,
                        help_text="Minute, hour, day of month, month, weekday, in the project's time zone: “15 4 * * *” is every day at 4:15. A day must match day of month, month and weekday, all three.",
                        max_length=200,
                        validators=[workers.beat.validation.validate_cron],
                        verbose_name="when (cron)",
                    ),
                ),
                (
                    "every",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Seconds, counted from midnight UTC of 1 January 1970: 3600 is each full hour.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(31622400),
                        ],
                        verbose_name="or every",
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        blank=True, help_text="The entry is disabled after it.", null=True, verbose_name="or once at"
                    ),
                ),
                (
                    "args",
                    models.JSONField(blank=True, default=list, help_text="A list, as JSON.", verbose_name="arguments"),
                ),
                (
                    "kwargs",
                    models.JSONField(
                        blank=True, default=dict, help_text="An object, as JSON.", verbose_name="keyword arguments"
                    ),
                ),
                (
                    "expires",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Seconds after which a worker that has not begun the task drops it.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(31622400),
                        ],
                    ),
                ),
                (
                    "late_within",
                    models.PositiveIntegerField(
                        default=3600,
                        help_text="Seconds within which a missed run is made up for: the latest one only, once. 0: never.",
                        validators=[django.core.validators.MaxValueValidator(31622400)],
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                ("note", models.CharField(blank=True, max_length=200)),
                (
                    "origin",
                    models.CharField(
                        choices=[("code", "code"), ("admin", "admin"), ("gone", "no longer in the code")],
                        default="admin",
                        editable=False,
                        max_length=5,
                    ),
                ),
                ("changed_at", models.DateTimeField(editable=False)),
                (
                    "revision",
                    models.CharField(editable=False, help_text="Another one after each change.", max_length=12),
                ),
            ],
            options={
                "verbose_name_plural": "entries",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "token",
                    models.BigIntegerField(default=0, help_text="One more for each scheduler that takes the lease."),
                ),
                ("holder", models.CharField(max_length=200)),
                ("expires_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Scheduler",
            fields=[
                ("name", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("seen_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Run",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, verbose_name="entry")),
                ("due", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("claimed", "being sent"),
                            ("sent", "sent"),
                            ("late", "sent late"),
                            ("missed", "missed"),
                            ("doubtful", "perhaps sent"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "count",
                    models.PositiveIntegerField(
                        default=1,
                        help_text="Slots in a row that were missed; of a cron line, 200 or more.",
                        verbose_name="runs",
                    ),
                ),
                (
                    "first_due",
                    models.DateTimeField(help_text="Of several in a row the first; `due` is the last.", null=True),
                ),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("task_id", models.CharField(blank=True, max_length=36)),
                ("token", models.BigIntegerField(help_text="Of the lease under which it was noted.")),
                ("host", models.CharField(max_length=200)),
                ("noted_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("-due",),
                "indexes": [
                    models.Index(fields=["due"], name="runs_by_due"),
                    models.Index(
                        condition=models.Q(("state", "sent"), _negated=True), fields=["state"], name="runs_not_sent"
                    ),
                ],
                "constraints": [models.UniqueConstraint(fields=("name", "due"), name="one_run_a_slot")],
            },
        ),
        migrations.CreateModel(
            name="MissedRun",
            fields=[],
            options={
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("beat.run",),
        ),
    ]
