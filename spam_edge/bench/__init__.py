"""``spam-edge bench``: find the fastest settings on this machine, with the user's bundle and messages."""
