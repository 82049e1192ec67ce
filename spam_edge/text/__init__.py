"""Messages to token ids: normalisation, text variants and tokenisation, as in training."""
