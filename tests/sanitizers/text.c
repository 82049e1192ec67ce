/* Runs the text library on random messages, in several threads, and refuses it memory.
 *
 *     text FILE
 *
 * FILE has the words of a vocabulary, each with a line feed behind it. Prints the name of each check that has passed.
 * One that fails ends the process, and so does a fault that a sanitizer finds. Every array has exactly the size that the
 * library is told, so that AddressSanitizer finds each access beyond.
 *
 * Everything is compiled with -Dmalloc=stress_malloc, so that the library gets memory from here. */

#undef malloc
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text/joining.h"
#include "text/vocabulary.h"
#include "text/vocabulary_json.h"

enum { SECONDS = 300, ROUNDS = 200, MESSAGES = 40, RUNNERS = 4, LONGEST_MESSAGE = sizeof(Scratch) + 100 };

size_t SpamTextRead(const char *json, size_t size, const uint32_t stand_ins[STAND_INS], char *words, size_t *words_size,
                    int32_t *ids, size_t *count);
int SpamTextBuild(Tables *tables);
size_t SpamTextEncode(const Tables *tables, int joining, const char *texts, const int64_t *sizes, size_t count,
                      int32_t *ids, size_t capacity, int32_t *lengths, uint8_t *truncated);

static int refuses_memory; /* set while no other thread runs */

void *stress_malloc(size_t size) { return refuses_memory ? NULL : malloc(size); }

static void require(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "failed: %s\n", what);
    abort();
}

static void *allocated(size_t size) {
    void *memory = malloc(size ? size : 1);
    require(memory != NULL, "memory");
    return memory;
}

/* Generator of xorshift (Marsaglia 2003), below `limit`. */
static uint32_t random_below(uint32_t *state, uint32_t limit) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % limit;
}

static char *read_file(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    require(file && !fseek(file, 0, SEEK_END), "the file opens");
    *size = (size_t)ftell(file);
    rewind(file);
    char *content = allocated(*size);
    require(fread(content, 1, *size, file) == *size, "the file is read");
    fclose(file);
    return content;
}

static Tables opened(const char *words, size_t size, size_t max_length) {
    Tables tables = {.words = words, .size = size, .slot_count = 1, .longest_word = 100, .max_length = max_length,
                     .unknown = 1, .first = 2, .last = 3};
    for (size_t i = 0; i < size; i++) tables.count += words[i] == '\n';
    while (tables.slot_count / 4 * 3 < tables.count) tables.slot_count *= 2;
    int32_t *ids = allocated(tables.count * sizeof *ids);
    for (size_t i = 0; i < tables.count; i++) ids[i] = i % 7 ? (int32_t)i : NO_TOKEN;
    tables.ids = ids;
    tables.slots = allocated(tables.slot_count * sizeof *tables.slots);
    tables.tags = allocated(tables.slot_count);
    require(!SpamTextBuild(&tables), "the vocabulary is accepted");
    return tables;
}

static void closed(Tables *tables) {
    free((void *)tables->ids);
    free(tables->slots);
    free(tables->tags);
}

/* Writes a message of words of the vocabulary, disguised at random, and of random bytes; returns its size. */
static size_t write_message(const Tables *tables, uint32_t *state, char *to) {
    static const char separators[] = "    ._-*~^|,\n\t!1@([{)/";
    size_t most = random_below(state, 200);
    if (!random_below(state, 20)) most = random_below(state, MOST_CHARACTERS + 40);
    if (!random_below(state, 400)) most = LONGEST_MESSAGE;
    const uint32_t bytes = random_below(state, 4) ? 96 : 256, kind = random_below(state, 4); /* 0: as it is */
    size_t size = 0;
    while (size < most) {
        size_t from = random_below(state, (uint32_t)tables->size);
        while (from && tables->words[from - 1] != '\n') from--;
        for (; size < most && tables->words[from] != '\n'; from++) {
            to[size++] = tables->words[from];
            if (size == most || random_below(state, 3)) continue;
            if (kind == 1) to[size++] = separators[random_below(state, sizeof separators - 1)];
            if (kind == 2) to[size] = to[size - 1], size++;
            if (kind == 3) to[size++] = (char)(bytes == 256 ? random_below(state, 256) : 32 + random_below(state, 95));
        }
        if (size < most) to[size++] = separators[random_below(state, kind ? 6 : 4)];
    }
    return size;
}

/* Messages in arrays of exactly their size. */
typedef struct {
    char *texts;
    int64_t sizes[MESSAGES];
    size_t bytes, capacity;
} Batch;

static Batch new_batch(const Tables *tables, uint32_t *state) {
    Batch batch = {.bytes = 0};
    char *texts = allocated(MESSAGES * LONGEST_MESSAGE);
    for (size_t i = 0; i < MESSAGES; i++) {
        const size_t size = write_message(tables, state, texts + batch.bytes);
        batch.sizes[i] = (int64_t)size;
        batch.bytes += size;
        batch.capacity += size + 2 < tables->max_length ? size + 2 : tables->max_length;
    }
    batch.texts = allocated(batch.bytes);
    memcpy(batch.texts, texts, batch.bytes);
    free(texts);
    return batch;
}

/* Encodes a batch with room for `capacity` ids, checks what holds for all, and returns the number of messages handled. */
static size_t encode(const Tables *tables, const Batch *batch, int joining, size_t capacity) {
    int32_t *ids = allocated(capacity * sizeof *ids), *lengths = allocated(MESSAGES * sizeof *lengths);
    uint8_t *truncated = allocated(MESSAGES);
    const size_t used = SpamTextEncode(tables, joining, batch->texts, batch->sizes, MESSAGES, ids, capacity, lengths,
                                       truncated);
    size_t sum = 0, handled = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        const size_t length = (size_t)lengths[i];
        require(!length || (length >= 2 && length <= tables->max_length), "a row has both special tokens, and fits");
        require(!length || (ids[sum] == tables->first && ids[sum + length - 1] == tables->last), "they are at its ends");
        require(!truncated[i] || length == tables->max_length, "only a full row is truncated");
        sum += length;
        handled += length > 0;
    }
    require(sum == used && used <= capacity, "the ids are those of the rows");
    free(ids);
    free(lengths);
    free(truncated);
    return handled;
}

static void check_random_messages(const Tables *tables, uint32_t seed) {
    uint32_t state = seed;
    size_t handled = 0, joined = 0;
    for (int round = 0; round < ROUNDS; round++) {
        Batch batch = new_batch(tables, &state);
        handled += encode(tables, &batch, 0, batch.capacity);
        joined += encode(tables, &batch, 1, batch.capacity);
        encode(tables, &batch, 0, batch.capacity / 2);
        encode(tables, &batch, 1, random_below(&state, 4));
        free(batch.texts);
    }
    require(handled > joined && joined > 0, "messages of each kind were made");
}

static void *run(void *argument) {
    check_random_messages(argument, 7);
    return NULL;
}

static void check_threads(const Tables *tables) {
    pthread_t threads[RUNNERS];
    for (int i = 0; i < RUNNERS; i++)
        require(!pthread_create(&threads[i], NULL, run, (void *)tables), "a thread starts");
    for (int i = 0; i < RUNNERS; i++) pthread_join(threads[i], NULL);
}

static void check_refused_memory(const Tables *tables) {
    uint32_t state = 3;
    Batch batch = new_batch(tables, &state);
    refuses_memory = 1;
    require(!encode(tables, &batch, 0, batch.capacity), "no message is handled");
    refuses_memory = 0;
    require(encode(tables, &batch, 0, batch.capacity), "the next call has memory");
    free(batch.texts);
}

/* Words that do not fit their number, and words that are cut at any byte. */
static void check_refused_words(const char *words, size_t size) {
    Slot slots[16];
    uint8_t tags[16];
    const int32_t ids[8] = {0};
    Tables tables = {.words = words, .ids = ids, .slots = slots, .tags = tags};
    for (size_t end = 0; end < (size < 60 ? size : 60); end++) {
        char *part = allocated(end);
        memcpy(part, words, end);
        for (size_t count = 0; count <= 8; count++) {
            size_t lines = 0;
            for (size_t i = 0; i < end; i++) lines += part[i] == '\n';
            const int fits = lines == count && (!end || part[end - 1] == '\n');
            tables.words = part, tables.size = end, tables.count = count, tables.slot_count = 16;
            require((SpamTextBuild(&tables) == 0) == fits, "the words are accepted if they fit their number");
        }
        free(part);
    }
    for (size_t count = 0; count <= 16; count++) {
        tables.words = words, tables.size = size, tables.count = 13, tables.slot_count = count;
        require(SpamTextBuild(&tables), "too few slots, or no power of two, are refused");
    }
}

/* Reads a vocabulary in JSON into arrays of exactly the promised size. Returns the bytes read and the number of words. */
static size_t read_json(const char *json, size_t size, size_t *count) {
    static const uint32_t stand_ins[STAND_INS] = {0xa3, 0x20ac, [16] = 0x2018};
    char *copy = allocated(size), *words = allocated(size);
    int32_t *ids = allocated(size / 5 * sizeof *ids);
    size_t words_size;
    memcpy(copy, json, size);
    const size_t used = SpamTextRead(copy, size, stand_ins, words, &words_size, ids, count);
    size_t lines = 0;
    for (size_t i = 0; i < words_size; i++) lines += words[i] == '\n';
    require(used <= size && words_size <= size && (!used || lines == *count), "the words are those of the text");
    free(copy);
    free(words);
    free(ids);
    return used;
}

/* A vocabulary in JSON that is whole, cut at any byte, or has random bytes. */
static void check_json(void) {
    static const char json[] = "{\"a\": 1, \"##b\":22,\n \"\\\"\\\\\\/\" : 333, \"\xc2\xa3\": 4, \"\xe2\x82\xac\": 5, "
                               "\"\xf0\x9f\x98\x80\": 6, \"\": 7, \"\xe2\x80\x98x\": 2147483647}";
    static const char bytes[] = "\"\\{}:, 0123456789ab\n\x01\xc2\xe2\xf0\x80\xff";
    const size_t size = sizeof json - 1;
    size_t count;
    require(read_json(json, size, &count) == size && count == 6, "the whole vocabulary is read");
    for (size_t end = 0; end < size; end++) require(!read_json(json, end, &count), "a part is refused");
    uint32_t state = 5;
    for (int round = 0; round < 20000; round++) {
        char changed[sizeof json];
        memcpy(changed, json, sizeof json);
        for (uint32_t changes = random_below(&state, 4); changes--;)
            changed[random_below(&state, (uint32_t)size)] = bytes[random_below(&state, sizeof bytes - 1)];
        read_json(changed, size, &count);
    }
}

static void passed(const char *check) {
    printf("%s\n", check);
    fflush(stdout);
}

int main(int count, char **arguments) {
    require(count == 2, "usage: text FILE");
    alarm(SECONDS);
    size_t size;
    char *words = read_file(arguments[1], &size);
    static const size_t lengths[] = {3, 4, 32, 512};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        Tables tables = opened(words, size, lengths[i]);
        check_random_messages(&tables, (uint32_t)i + 1);
        closed(&tables);
    }
    passed("random messages");
    Tables tables = opened(words, size, 32);
    check_threads(&tables);
    passed("threads");
    check_refused_memory(&tables);
    passed("refused memory");
    closed(&tables);
    check_refused_words(words, size);
    passed("refused words");
    check_json();
    passed("vocabularies in JSON");
    free(words);
    return 0;
}
