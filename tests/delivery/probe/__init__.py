"""What is put into a generated project: tasks that write down that they run."""
