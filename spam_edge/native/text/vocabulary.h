/* The words of the tokenizer and of the normaliser, in a hash table with open addressing.
 *
 * Most look-ups find nothing, because the longest piece of a word is sought from its end. They read only the tags, which
 * stay in the cache. The caller owns all memory. The table is read-only after it is built, so any number of threads can use it. */

#ifndef SPAM_EDGE_TEXT_VOCABULARY_H
#define SPAM_EDGE_TEXT_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

enum { NO_TOKEN = -1, NOT_FOUND = -2 };

typedef struct {
    uint32_t start; /* offset in `words`, behind "##" */
    int32_t id;     /* token id; NO_TOKEN for a word of the normaliser alone */
} Slot;

/* What the calls of a process share. Must match `_Tables` of spam_edge/text/native.py. */
typedef struct {
    const char *words;   /* (size) words, each with a line feed behind it; "##" begins a piece inside a word */
    size_t size;
    const int32_t *ids;  /* (count) */
    size_t count;
    Slot *slots;         /* (slot_count) */
    uint8_t *tags;       /* (slot_count) 8 bits of the hash of each slot's word, 0 if it is free */
    size_t slot_count;   /* a power of two, at least 4 / 3 of `count` */
    size_t longest;      /* bytes of the longest word */
    size_t longest_word; /* a word with more characters is the unknown token; at most LONGEST_WORD_EVER */
    size_t max_length;   /* tokens of a message with both special tokens, at least 3 */
    int32_t unknown, first, last; /* ids of [UNK], [CLS] and [SEP] */
} Tables;

enum { LONGEST_WORD_EVER = 255 };

/* Hashes are extended by one character at a time, so that those of all prefixes cost one pass. */
#define HASH_OF_WORDS 2166136261u /* FNV-1a */
#define HASH_OF_PIECES 84696351u

static inline uint32_t hash_with(uint32_t hash, char character) {
    return (hash ^ (unsigned char)character) * 16777619u;
}

/* Fills slots, tags and `longest`. Of equal words the first counts, and the others must have no id.
 * Returns 0, or -1 if that or `count` does not fit the words, or if so many hashes are equal that look-ups are slow. */
int build_vocabulary(Tables *tables);

/* Returns the id of a word or, with a hash from HASH_OF_PIECES, of a piece; NO_TOKEN or NOT_FOUND if it has none. */
int32_t find_hashed(const Tables *tables, uint32_t hash, int piece, const char *word, size_t size);

/* Returns whether tokenizer or normaliser knows a lower-case word. */
int is_known(const Tables *tables, const char *word, size_t size);

#endif
