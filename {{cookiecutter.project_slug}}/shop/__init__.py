"""A small shop: pages, a JSON API and real work for every group. It is here to be read, then replaced."""
