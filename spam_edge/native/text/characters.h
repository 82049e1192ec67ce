/* Classes of characters, as the tokenizer and the regular expressions of joining.py distinguish them. Bytes from 0x80 to
 * 0x9f stand for frequent signs and marks, as `_STAND_INS` of spam_edge/text/native.py has them. */

#ifndef SPAM_EDGE_TEXT_CHARACTERS_H
#define SPAM_EDGE_TEXT_CHARACTERS_H

#include <stdint.h>

enum {
    LETTER = 1 << 0,
    DIGIT = 1 << 1,
    UNDERSCORE = 1 << 2,
    SPACE = 1 << 3,       /* tab, line feed, carriage return, space */
    PUNCTUATION = 1 << 4, /* as BERT splits it: everything printable but letters, digits, spaces and SIGN */
    SIGN = 1 << 5,        /* signs of money that are not ASCII, which BERT does not split off */
    LEET = 1 << 6,        /* signs that stand for letters: @ $ ! | + */
    SPLITS = 1 << 7,      /* separators inside a word: . _ * ~ ^ | - */
    SYMBOL = 1 << 8,      /* those of them that ordinary text does not have between letters: * ~ ^ | _ */
    SPACES_OUT = 1 << 9,  /* separators of single letters: space _ . - * */
    TRAILING = 1 << 10,   /* punctuation behind a word: . , ; : ! ? */
    FOREIGN = 1 << 11,    /* not handled: control characters, other bytes, and the opening bracket, with which special
                             tokens such as [SEP] begin */
    ALPHANUMERIC = LETTER | DIGIT,
    WORD = LETTER | DIGIT | UNDERSCORE, /* \w of a regular expression */
};

extern const uint16_t character_classes[256];

static inline int is(char character, int classes) { return character_classes[(unsigned char)character] & classes; }

#endif
