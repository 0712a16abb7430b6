"""Messages to the world: one file a provider, which turns a message into requests."""
