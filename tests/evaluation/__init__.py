"""How well spam-edge tells spam from ham, beside other systems: ``make evaluate``."""
