"""Comparing a feed with a workspace: record, plan, guards, apply, outcome."""
