"""Engines: classify the texts of a job in this process, in worker processes or on a cluster."""
