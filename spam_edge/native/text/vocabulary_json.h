/* Reads the vocabulary of tokenizer.json. A general JSON parser, which makes a string of each word, takes far longer. */

#ifndef SPAM_EDGE_TEXT_VOCABULARY_JSON_H
#define SPAM_EDGE_TEXT_VOCABULARY_JSON_H

#include <stddef.h>
#include <stdint.h>

enum { STAND_INS = 32 };

/* Reads a JSON object of words and ids, such as {"the": 1996, "##s": 2015}.
 *
 * json, size: UTF-8 text that begins with the object.
 * stand_ins: the characters for which the bytes 0x80 to 0x9f stand; 0 where there is none.
 * words: (size) gets the words as `Tables.words` has them. Words with any other character are skipped.
 * words_size, count: get the bytes and the number of words.
 * ids: (size / 5) gets the id of each word.
 *
 * Returns the bytes of the object; 0 if it is anything else, or has escapes other than those of \" \\ and \/. */
size_t read_vocabulary(const char *json, size_t size, const uint32_t stand_ins[STAND_INS], char *words,
                       size_t *words_size, int32_t *ids, size_t *count);

#endif
