"""A stand-in for the Hugging Face Hub on 127.0.0.1, and the way that takes model and corpus from it, end to end."""
