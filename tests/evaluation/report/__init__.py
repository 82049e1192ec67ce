"""Render ``evaluation.json`` as a page, as pictures and as the tables that documents quote."""
