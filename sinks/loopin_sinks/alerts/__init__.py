"""Alert rules that the stream's windows cannot tell of, judged by the store and by what the process sees."""
