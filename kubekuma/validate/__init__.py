"""From a raw document to a resource, or to all of its errors. Pure."""
