"""What checkpoints keep of a run; they are written by `checkpoints`."""
