#include "vocabulary_json.h"

#include <string.h>

typedef struct {
    const char *at, *end;
} Reader;

static int is_space(char character) {
    return character == ' ' || character == '\n' || character == '\t' || character == '\r';
}

static void skip_spaces(Reader *reader) {
    while (reader->at < reader->end && is_space(*reader->at)) reader->at++;
}

/* Skips spaces and the character, and returns whether it was there. */
static int take(Reader *reader, char character) {
    skip_spaces(reader);
    if (reader->at == reader->end || *reader->at != character) return 0;
    reader->at++;
    return 1;
}

/* Returns the next code point of UTF-8 text, or 0 if the text is not valid. */
static uint32_t next_character(Reader *reader) {
    const unsigned char first = (unsigned char)*reader->at++;
    if (first < 0x80) return first;
    const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || reader->end - reader->at < more) return 0;
    uint32_t code = first & (0x3f >> more);
    for (int i = 0; i < more; i++) {
        const unsigned char next = (unsigned char)*reader->at++;
        if ((next & 0xc0) != 0x80) return 0;
        code = code << 6 | (next & 0x3f);
    }
    const uint32_t least = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
    return code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : code;
}

/* Returns the byte of a character in `Tables.words`, or 0 if it has none. */
static char byte_of(uint32_t character, const uint32_t stand_ins[STAND_INS]) {
    if (character < 0x80) return (char)character;
    for (int i = 0; i < STAND_INS; i++)
        if (stand_ins[i] == character) return (char)(0x80 + i);
    return 0;
}

/* Reads a string into `word`. Returns 0 if it is malformed. `*length` gets its bytes; 0 if the word is skipped. */
static int read_word(Reader *reader, const uint32_t stand_ins[STAND_INS], char *word, size_t *length) {
    size_t used = 0;
    int is_skipped = 0;
    if (!take(reader, '"')) return 0;
    for (;;) {
        if (reader->at == reader->end) return 0;
        uint32_t character = next_character(reader);
        if (character < ' ') return 0;
        if (character == '"') break;
        if (character == '\\') {
            if (reader->at == reader->end || !strchr("\"\\/", *reader->at) || !*reader->at) return 0;
            character = (uint32_t)*reader->at++;
        }
        word[used] = byte_of(character, stand_ins);
        is_skipped |= !word[used++];
    }
    *length = is_skipped ? 0 : used;
    return 1;
}

/* Reads a number from 0 to INT32_MAX; returns -1 if there is none. */
static int32_t read_id(Reader *reader) {
    skip_spaces(reader);
    const char *begin = reader->at;
    int64_t id = 0;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9' && id <= INT32_MAX)
        id = id * 10 + (*reader->at++ - '0');
    const ptrdiff_t digits = reader->at - begin;
    return !digits || (digits > 1 && *begin == '0') || id > INT32_MAX ? -1 : (int32_t)id;
}

size_t read_vocabulary(const char *json, size_t size, const uint32_t stand_ins[STAND_INS], char *words,
                       size_t *words_size, int32_t *ids, size_t *count) {
    Reader reader = {json, json + size};
    *words_size = *count = 0;
    if (!take(&reader, '{')) return 0;
    do {
        size_t length;
        if (!read_word(&reader, stand_ins, words + *words_size, &length) || !take(&reader, ':')) return 0;
        const int32_t id = read_id(&reader);
        if (id < 0) return 0;
        if (!length) continue;
        *words_size += length;
        words[(*words_size)++] = '\n';
        ids[(*count)++] = id;
    } while (take(&reader, ','));
    return take(&reader, '}') ? (size_t)(reader.at - json) : 0;
}
