"""Projects as they are set: zone, money, people, and how long what is stored is kept."""
