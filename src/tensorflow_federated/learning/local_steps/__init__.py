"""What clients do with the gradients of their batches, one class for each way."""
