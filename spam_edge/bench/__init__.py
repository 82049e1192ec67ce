"""``spam-edge bench``: which settings are fastest on this machine, measured with the user's bundle and messages."""
