"""Dead letters: finding them, repairing their events, and publishing each of those once."""
