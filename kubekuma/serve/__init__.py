"""REST, metrics, health. Reads history and rules, and nothing else of the pipeline."""
