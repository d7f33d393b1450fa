"""Rules of alerts, judged on the stream's windows."""
