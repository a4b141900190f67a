"""What a person configures in the UI: connections, feeds, stores."""
