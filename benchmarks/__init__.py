"""What the shipped defaults cost and gain, measured; against stock Celery in the same run where there is a rival."""
