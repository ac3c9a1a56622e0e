"""A training run's folder: checkpoints and hyperparameters."""
