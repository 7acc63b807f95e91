"""The compiler: from a federated program to a Plan."""
