"""Evaluation metrics, model selection and training curves."""
