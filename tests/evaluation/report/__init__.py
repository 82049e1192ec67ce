"""``evaluation.json`` as a page, as pictures, and as what documents quote of it."""
