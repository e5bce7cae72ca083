"""What clients see while a broker's node is lost: measured on real hosts, beside stock Celery in the same fault."""
