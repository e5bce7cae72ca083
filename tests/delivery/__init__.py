"""Delivery, proved: what was accepted is done, whatever is lost meanwhile; counted by a ledger of unique ids."""
