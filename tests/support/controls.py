"""Characters that a terminal or a log must not get from others, listed apart from the package."""

import re

_CODES = [*range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
CONTROLS = re.compile("[" + "".join(re.escape(chr(code)) for code in [*_CODES, *range(0xD800, 0xE000)]) + "]")
