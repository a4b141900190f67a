"""A sync by jobs: read by one export, written by imports (contract sections 13, 14)."""
