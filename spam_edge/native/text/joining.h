/* Whether joining.py leaves a text unchanged, so that the message has one text variant. */

#ifndef SPAM_EDGE_TEXT_JOINING_H
#define SPAM_EDGE_TEXT_JOINING_H

#include "vocabulary.h"

enum {
    MOST_CHARACTERS = 8192, /* READS of normalizer.py; longer messages are left to it */
    GUARD = 8,              /* zero bytes behind the lower-case text, so that looking ahead needs no bounds */
};

/* A word between spaces, which may contain other whitespace. */
typedef struct {
    uint16_t start, size;
    uint16_t letters; /* without trailing punctuation; 0 if there is anything but letters */
    uint16_t torn;    /* weight as a fragment: 0 for a known word, 1 for a single letter, else 2 */
} Word;

/* Memory for one message at a time. */
typedef struct {
    char lower[MOST_CHARACTERS + GUARD];
    Word words[MOST_CHARACTERS + 1];
} Scratch;

/* Returns whether joining may change a text. If not, it certainly does not; false positives are possible.
 *
 * text: (size) folded, without FOREIGN characters; scratch->lower has the same in lower case, with the guard. */
int joining_may_change(const Tables *tables, const char *text, size_t size, Scratch *scratch);

#endif
