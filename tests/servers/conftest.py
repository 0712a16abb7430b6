"""What the servers of several tests need."""

from support.daemons import open_folders

__all__ = ["open_folders"]
