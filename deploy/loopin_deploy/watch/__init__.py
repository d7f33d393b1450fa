"""``loopin watch``: what happens in a project just now, on one screen."""
