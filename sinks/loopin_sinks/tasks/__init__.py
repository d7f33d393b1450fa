"""Tasks that run by the clock: which there are, when each is due, and what became of every run."""
