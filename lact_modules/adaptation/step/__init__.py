"""Which parameters test-time training moves, and how; not what for."""
