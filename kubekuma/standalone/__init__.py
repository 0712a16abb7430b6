"""A small Kubernetes API for people without a cluster, and for tests."""
