"""Days that are over, added up once, so that questions about long times need not read all events."""
