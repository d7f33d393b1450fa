"""What metrics are going to come to: forecasts, how good they were, what series are made of."""
