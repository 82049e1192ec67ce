/* BERT tokenisation: words and punctuation, then the longest pieces of each word. */

#ifndef SPAM_EDGE_TEXT_WORDPIECE_H
#define SPAM_EDGE_TEXT_WORDPIECE_H

#include "vocabulary.h"

/* Tokenises a lower-case text that has no FOREIGN characters.
 *
 * ids: at least the smaller of size + 2 and max_length; gets [CLS], the tokens, [SEP].
 * truncated: set to whether the text has more tokens than max_length allows.
 *
 * Returns the number of tokens. */
size_t tokenize(const Tables *tables, const char *lower, size_t size, int32_t *ids, uint8_t *truncated);

#endif
