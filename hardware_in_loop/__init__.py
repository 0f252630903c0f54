"""Plants that are real: laboratory equipment in the place of simulated homes."""
