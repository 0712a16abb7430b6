"""API server -> cache of validated objects."""
