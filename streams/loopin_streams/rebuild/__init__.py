"""Makes the derived state new, from the stored events and the raw log (`loopin state rebuild`)."""
