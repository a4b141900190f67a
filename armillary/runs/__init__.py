"""What runs leave behind for the next one."""
