"""Write rows and their verdicts to files."""
