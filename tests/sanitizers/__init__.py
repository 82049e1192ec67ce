"""The fused operator in several threads, sessions and processes, under sanitizers: ``make sanitize``."""
