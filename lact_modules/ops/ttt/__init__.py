"""Test-time training as functions: fast weights and their updates."""
