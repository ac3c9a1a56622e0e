"""What test-time training minimizes; its steps are in `step`."""
