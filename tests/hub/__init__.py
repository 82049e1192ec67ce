"""A local fake of the Hugging Face Hub, and an end-to-end run that downloads model and corpus from it."""
