"""Commands for models and data: train, fit, evaluate, convert."""
