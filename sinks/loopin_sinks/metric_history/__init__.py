"""What metrics came to, kept for longer than the events that they are computed from."""
