"""What to show a user next: events to join, communities, and what is like something."""
