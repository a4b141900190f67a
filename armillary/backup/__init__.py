"""Backups: exported, streamed to S3, described by a manifest, verified, listed and pruned."""
