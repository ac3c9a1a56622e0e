"""The record of a run: tests, results, plots, publishing."""
