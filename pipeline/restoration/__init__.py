"""Restoring: damage made to order, filling, engine."""
