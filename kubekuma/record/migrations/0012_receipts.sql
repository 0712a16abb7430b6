-- What the service calls the message: what comes later of the same outage can answer it.
ALTER TABLE deliveries ADD COLUMN receipt TEXT;
