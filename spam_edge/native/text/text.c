/* Tokenises folded messages, of which joining leaves most unchanged. The caller takes the general path for all others.
 * The functions keep no state, so any number of threads may call them at once. */

#include "characters.h"
#include "joining.h"
#include "vocabulary_json.h"
#include "wordpiece.h"

#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED size_t SpamTextRead(const char *json, size_t size, const uint32_t stand_ins[STAND_INS], char *words,
                             size_t *words_size, int32_t *ids, size_t *count) {
    return read_vocabulary(json, size, stand_ins, words, words_size, ids, count);
}

EXPORTED int SpamTextBuild(Tables *tables) { return build_vocabulary(tables); }

EXPORTED int SpamTextKnows(const Tables *tables, const char *word, size_t size) { return is_known(tables, word, size); }

/* Writes a text in lower case, with the guard, and returns whether it has only characters that are handled here. */
static int lower_case(const char *text, size_t size, char *lower) {
    int classes = 0;
    for (size_t i = 0; i < size; i++) {
        const char character = text[i];
        classes |= character_classes[(unsigned char)character];
        lower[i] = (char)(character >= 'A' && character <= 'Z' ? character | 32 : character);
    }
    memset(lower + size, 0, GUARD);
    return !(classes & FOREIGN);
}

static int is_handled(const Tables *tables, int joining, const char *text, size_t size, Scratch *scratch) {
    return size <= MOST_CHARACTERS && lower_case(text, size, scratch->lower) &&
           !(joining && joining_may_change(tables, text, size, scratch));
}

/* Tokenises messages.
 *
 * joining: whether to leave out messages that joining may change.
 * texts: the messages, one after the other; sizes: (count) bytes of each.
 * ids: (capacity) gets the token ids of one message after the other.
 * lengths, truncated: (count) get the tokens of each message, and whether it has more. The length 0 says that the
 *     message is not handled, or does not fit into the capacity.
 *
 * Returns the number of ids written; 0 if memory is short. */
EXPORTED size_t SpamTextEncode(const Tables *tables, int joining, const char *texts, const int64_t *sizes,
                               size_t count, int32_t *ids, size_t capacity, int32_t *lengths, uint8_t *truncated) {
    Scratch *scratch = malloc(sizeof *scratch); /* too large for the stack of some threads */
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t size = (size_t)sizes[i];
        const size_t most = size + 2 < tables->max_length ? size + 2 : tables->max_length;
        lengths[i] = 0;
        truncated[i] = 0;
        if (scratch && capacity - used >= most && is_handled(tables, joining, texts, size, scratch))
            lengths[i] = (int32_t)tokenize(tables, scratch->lower, size, ids + used, &truncated[i]);
        used += (size_t)lengths[i];
        texts += size;
    }
    free(scratch);
    return used;
}
