"""What is put into the generated project beside the delivery's probe: tasks that try what they must not do."""
