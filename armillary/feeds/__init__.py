"""Reading and mapping source records."""
