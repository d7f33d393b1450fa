"""What is said of stored texts later, by more than the stream can afford."""
