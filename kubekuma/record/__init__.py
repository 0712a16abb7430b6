"""Results to verdicts, incidents and history. The only package that speaks SQL."""
