"""Report the measurements: model card, tables and plots."""
