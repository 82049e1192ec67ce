#include "wordpiece.h"

#include <string.h>

#include "characters.h"

/* Finds the longest piece that begins at `word`, and returns its size; 0 if there is none. */
static size_t longest_piece(const Tables *tables, const char *word, size_t size, int piece, int32_t *id) {
    uint32_t hashes[LONGEST_WORD_EVER + 1];
    hashes[0] = piece ? HASH_OF_PIECES : HASH_OF_WORDS;
    if (size > tables->longest) size = tables->longest;
    for (size_t i = 0; i < size; i++) hashes[i + 1] = hash_with(hashes[i], word[i]);
    while (size && (*id = find_hashed(tables, hashes[size], piece, word, size)) < 0) size--;
    return size;
}

/* Writes the pieces of a word, and returns their number. A word with a part in no vocabulary is one unknown token. */
static size_t split_word(const Tables *tables, const char *word, size_t size, int32_t *pieces) {
    size_t count = 0, at = 0;
    while (size <= tables->longest_word && at < size) {
        const size_t found = longest_piece(tables, word + at, size - at, at > 0, &pieces[count]);
        if (!found) break;
        at += found;
        count++;
    }
    if (at == size) return count;
    pieces[0] = tables->unknown;
    return 1;
}

/* Returns the end of the word that begins at `at`: a punctuation mark, or all up to the next one or space. */
static size_t end_of_word(const char *lower, size_t size, size_t at) {
    if (!is(lower[at], ALPHANUMERIC | SIGN)) return at + 1;
    while (at < size && is(lower[at], ALPHANUMERIC | SIGN)) at++;
    return at;
}

size_t tokenize(const Tables *tables, const char *lower, size_t size, int32_t *ids, uint8_t *truncated) {
    const size_t most = tables->max_length - 1; /* [SEP] follows */
    size_t count = 0;
    *truncated = 0;
    ids[count++] = tables->first;
    for (size_t at = 0; at < size && !*truncated;) {
        if (is(lower[at], SPACE)) {
            at++;
            continue;
        }
        int32_t pieces[LONGEST_WORD_EVER];
        const size_t end = end_of_word(lower, size, at);
        const size_t found = split_word(tables, lower + at, end - at, pieces);
        const size_t fits = found < most - count ? found : most - count;
        memcpy(ids + count, pieces, fits * sizeof *pieces);
        count += fits;
        *truncated = fits < found;
        at = end;
    }
    ids[count++] = tables->last;
    return count;
}
