"""Where a training can be watched: metrics, trackers, progress."""
