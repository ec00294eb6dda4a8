"""The networks: modules and pure functions. No paths, no downloads, no printing."""
