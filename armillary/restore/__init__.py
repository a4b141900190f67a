"""What a backup holds, brought back into a workspace, and backups compared with each other."""
