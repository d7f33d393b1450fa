"""The stream side: Faust agents on the batch lane, and all that touches the broker (``kafka``)."""
