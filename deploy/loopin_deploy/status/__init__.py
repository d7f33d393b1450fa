"""What the running roles say of themselves, read, compared with a moment ago, and shown as one table."""
