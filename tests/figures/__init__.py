"""Run the code blocks of the documents, and refresh the figures they quote: ``python -m tests.figures``."""
