"""The engines: they run Plans."""
