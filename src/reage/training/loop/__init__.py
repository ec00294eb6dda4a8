"""The training loop: run folder, steps, batches, processes."""
