"""What every training shares: run folder, steps, batches, processes."""
