"""Cache -> agenda and status."""
