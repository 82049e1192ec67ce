"""How fast spam-edge is, beside other ways to run the same model: ``make bench``."""
