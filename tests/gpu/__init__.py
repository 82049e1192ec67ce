"""Run and measure everything that needs a CUDA device in one go: ``python -m tests.gpu``."""
