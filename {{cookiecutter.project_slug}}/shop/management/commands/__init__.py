"""manage.py train_digits, create_local_admin and demo."""
