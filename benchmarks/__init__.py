"""Measurements of what takes time, each against a baseline measured in the same run."""
