"""Training data: reading, cleaning, splitting and augmentation."""
