#include "vocabulary.h"

#include <string.h>

static size_t first_slot(const Tables *tables, uint32_t hash) { return (hash ^ hash >> 15) & (tables->slot_count - 1); }

static uint8_t tag_of(uint32_t hash) { return (uint8_t)(hash >> 24 ? hash >> 24 : 1); }

static size_t next_slot(const Tables *tables, size_t slot) { return (slot + 1) & (tables->slot_count - 1); }

/* Whether the word at `start` of the buffer is this one. A line feed ends it, which no word of a text has. */
static int equals(const Tables *tables, uint32_t start, int piece, const char *word, size_t size) {
    const int is_piece = start && tables->words[start - 1] == '#';
    return is_piece == piece && size < tables->size - start && tables->words[start + size] == '\n' &&
           !memcmp(tables->words + start, word, size);
}

/* Returns the slot of a word, or the free one where it belongs. At most three quarters of the slots are taken. */
static size_t slot_of(const Tables *tables, uint32_t hash, int piece, const char *word, size_t size) {
    const uint8_t tag = tag_of(hash);
    size_t at = first_slot(tables, hash);
    for (; tables->tags[at]; at = next_slot(tables, at))
        if (tables->tags[at] == tag && equals(tables, tables->slots[at].start, piece, word, size)) break;
    return at;
}

static uint32_t hash_of(uint32_t hash, const char *word, size_t size) {
    for (size_t i = 0; i < size; i++) hash = hash_with(hash, word[i]);
    return hash;
}

/* Returns 0, or -1 if a word with an id is not the first of its kind. Adds the slots that were searched to `searched`. */
static int add_word(Tables *tables, size_t start, size_t size, int32_t id, size_t *searched) {
    const char *word = tables->words + start;
    const int piece = size > 2 && word[0] == '#' && word[1] == '#';
    if (piece) start += 2, size -= 2, word += 2;
    const uint32_t hash = hash_of(piece ? HASH_OF_PIECES : HASH_OF_WORDS, word, size);
    const size_t slot = slot_of(tables, hash, piece, word, size);
    *searched += (slot - first_slot(tables, hash)) & (tables->slot_count - 1);
    if (tables->tags[slot]) return id == NO_TOKEN ? 0 : -1;
    tables->tags[slot] = tag_of(hash);
    tables->slots[slot] = (Slot){(uint32_t)start, id};
    if (size > tables->longest) tables->longest = size;
    return 0;
}

int build_vocabulary(Tables *tables) {
    const size_t slots = tables->slot_count;
    if (!slots || slots & (slots - 1) || slots / 4 * 3 < tables->count || tables->size > UINT32_MAX) return -1;
    memset(tables->tags, 0, slots);
    tables->longest = 0;
    /* Words chosen to have one hash take quadratic time. Others need about 2 slots each. */
    const size_t most = 64 * tables->count + 4096;
    size_t start = 0, searched = 0;
    for (size_t i = 0; i < tables->count; i++) {
        if (start == tables->size || searched > most) return -1;
        const char *end = memchr(tables->words + start, '\n', tables->size - start);
        if (!end) return -1;
        const size_t size = (size_t)(end - tables->words) - start;
        if (size && add_word(tables, start, size, tables->ids[i], &searched)) return -1;
        start += size + 1;
    }
    return start == tables->size ? 0 : -1;
}

int32_t find_hashed(const Tables *tables, uint32_t hash, int piece, const char *word, size_t size) {
    const size_t slot = slot_of(tables, hash, piece, word, size);
    return tables->tags[slot] ? tables->slots[slot].id : NOT_FOUND;
}

int is_known(const Tables *tables, const char *word, size_t size) {
    if (!size || size > tables->longest) return 0;
    return find_hashed(tables, hash_of(HASH_OF_WORDS, word, size), 0, word, size) != NOT_FOUND;
}
