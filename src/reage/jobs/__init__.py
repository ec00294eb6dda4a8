"""Long work that survives a kill: journals, worker processes, a Ray cluster."""
