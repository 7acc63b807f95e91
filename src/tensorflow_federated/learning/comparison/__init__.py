"""Federated training beside training on pooled data and training alone."""
