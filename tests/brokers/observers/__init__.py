"""Clients of a broker as processes of their own, which write down what succeeds and when."""
