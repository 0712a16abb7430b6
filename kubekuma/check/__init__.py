"""The check stage: finds out whether a target is as expected."""
