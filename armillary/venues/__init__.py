"""Refreshing Cadenza's copies of trading venues, and what came of it."""
