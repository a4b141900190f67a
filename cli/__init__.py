"""The `armillary` command: thin; it runs the same flows."""
