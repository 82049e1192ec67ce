"""Read input files as blocks of rows."""
