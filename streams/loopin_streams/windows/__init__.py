"""Windows of event time over one raw partition: what they count, and how long they stay open."""
