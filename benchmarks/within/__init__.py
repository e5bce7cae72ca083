"""What runs in the generated project's environment, started by the measures."""
