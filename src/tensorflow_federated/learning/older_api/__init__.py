"""The names of `tff.learning` in its earlier years, each as a call of today's names."""
