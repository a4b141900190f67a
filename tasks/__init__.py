"""Retry boundaries and names in the UI, nothing more."""
