"""A generated project as it runs on hosts: its packages, its code, its environment, its database, its brokers."""
