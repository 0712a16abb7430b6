"""Outages to messages: who is told of what, and when. Reads outages, never the judge's memory."""
