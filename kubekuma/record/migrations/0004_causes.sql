-- Why an outage began: the first failing check with its phases, certificate and transcript, as JSON.
ALTER TABLE incidents ADD COLUMN cause TEXT;
