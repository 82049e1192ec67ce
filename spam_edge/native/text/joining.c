/* The functions follow those of joining.py and name them. Each says whether its regular expression changes anything.
 * Where one may, the message is left to joining.py, so nothing is joined or respelt here.
 *
 * All of it takes time linear in the text: a run of characters is read once per rule, and words are looked up only up
 * to LONGEST characters, apart from one look-up of each whole word. */

#include "joining.h"

#include <string.h>

#include "characters.h"

enum { SHORTEST = 4, SHORTEST_WORD = 3, LONG = 6, LONGEST = 20, MOST_FRAGMENTS = 8, TORN = 2, MOST_VARYING = 4 };

/* Part of a text: as written, and in lower case, where the guard follows the last character of the text. */
typedef struct {
    const char *text, *lower;
    size_t size;
} Part;

static Part part_of(Part whole, size_t start, size_t size) {
    return (Part){whole.text + start, whole.lower + start, size};
}

/* _is_word: whether a guess is known, and neither short nor long. */
static int is_word(const Tables *tables, const char *lower, size_t size) {
    return size >= SHORTEST_WORD && size <= LONGEST && is_known(tables, lower, size);
}

static size_t skip(const char *lower, size_t at, int classes) {
    while (is(lower[at], classes)) at++;
    return at;
}

/* _DEFANGED: whether the opening bracket at `at` begins a bracketed dot, such as "(.)" or "{ dot }". */
static int brackets_dot(const char *lower, size_t at) {
    at = skip(lower, at + 1, SPACE);
    if (lower[at] == '.') at += 1;
    else if (!strncmp(lower + at, "dot", 3)) at += 3;
    else return 0;
    at = skip(lower, at, SPACE);
    return lower[at] == ')' || lower[at] == ']' || lower[at] == '}';
}

/* _SPACED: whether three single letters with the same separator between them begin at `at`. */
static int is_spaced(const char *lower, size_t at) {
    const char *from = lower + at;
    return is(from[1], SPACES_OUT) && from[3] == from[1] && is(from[2], LETTER) && is(from[4], LETTER) &&
           !is(from[5], ALPHANUMERIC) && (at == 0 || !is(from[-1], ALPHANUMERIC));
}

/* _refang and _SPACED. A spelt dot counts whatever follows it. */
static int phrases_may_change(const char *lower, size_t size) {
    for (size_t at = 0; at < size; at++) {
        const char *from = lower + at;
        if (is(*from, LETTER)) {
            if (is_spaced(lower, at)) return 1;
            if (*from == 'h' && (!strncmp(from, "hxxp", 4) || !strncmp(from, "h**p", 4))) return 1;
            if (*from == 'd' && at && is(from[-1], SPACE) && !strncmp(from, "dot", 3) && is(from[3], SPACE)) return 1;
        } else if ((*from == '(' || *from == '{') && brackets_dot(lower, at)) {
            return 1;
        }
    }
    return 0;
}

/* Whether the characters of `at` and behind are exactly one of the domains, and no longer word. */
static int is_domain(const char *lower, size_t at) {
    static const char domains[][8] = {"com", "net", "org", "info", "biz", "co",  "uk",  "tv",  "me",
                                      "mobi", "ly", "gl",  "eu",   "us",  "in",  "sg",  "au",  "de",
                                      "ru",  "cn",  "io",  "app",  "xyz", "top", "link", "click", "online"};
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        const size_t size = strlen(domains[i]);
        if (!strncmp(lower + at, domains[i], size) && !is(lower[at + size], WORD)) return 1;
    }
    return 0;
}

/* _ADDRESS: whether a token has part of an address, and so is never changed. Whitespace or the guard ends the token. */
static int has_address(Part token) {
    for (size_t at = 0; at < token.size; at++) {
        const char *from = token.lower + at;
        switch (*from) {
        case 'h':
            if (!strncmp(from, "http:", 5) || !strncmp(from, "https:", 6)) return 1;
            break;
        case 'w':
            if (!strncmp(from, "www.", 4)) return 1;
            break;
        case '/':
            if (is(from[1], WORD)) return 1;
            break;
        case '@': {
            const size_t end = skip(from, 1, WORD);
            if (end > 1 && from[end] == '.') return 1;
            break;
        }
        case '.':
            if (at && is(from[-1], WORD) && is_domain(from, 1)) return 1;
            break;
        default:
            break;
        }
    }
    return 0;
}

/* _SPLIT and _join_pieces for the letters at `at`: whether pieces with separators make a word. Moves `at` behind. */
static int pieces_join(const Tables *tables, Part token, size_t *at) {
    char joined[LONGEST];
    size_t size = 0, pieces = 0;
    int symbols = 0;
    for (;;) {
        for (; is(token.lower[*at], LETTER); ++*at, size++)
            if (size < LONGEST) joined[size] = token.lower[*at];
        pieces++;
        if (!is(token.lower[*at], SPLITS) || !is(token.lower[*at + 1], LETTER)) break;
        symbols |= is(token.lower[*at], SYMBOL);
        ++*at;
    }
    return pieces > 1 && size >= (symbols ? SHORTEST_WORD : SHORTEST) && is_word(tables, joined, size);
}

/* The first letter that a sign may stand for, as _LEET has it. */
static char read_sign(char sign) {
    switch (sign) {
    case '4': case '@': return 'a';
    case '3': return 'e';
    case '1': case '!': return 'i';
    case '0': return 'o';
    case '5': case '$': return 's';
    case '7': case '+': return 't';
    case '8': return 'b';
    case '9': return 'g';
    case '|': return 'l';
    default: return sign;
    }
}

/* _readings: whether one of the first 16 readings is a word. Of a "1" or "|", both i and l are read; the last vary. */
static int reads_as_word(const Tables *tables, const char *core, size_t size) {
    char reading[LONGEST];
    size_t varying[MOST_VARYING], count = 0;
    for (size_t at = size; at-- > 0;) {
        reading[at] = read_sign(core[at]);
        if ((core[at] == '1' || core[at] == '|') && count < MOST_VARYING) varying[count++] = at;
    }
    for (unsigned choice = 0; choice < 1u << count; choice++) {
        for (size_t i = 0; i < count; i++) {
            const int second = (choice >> i & 1) != 0, one = core[varying[i]] == '1';
            reading[varying[i]] = one != second ? 'i' : 'l';
        }
        if (is_word(tables, reading, size)) return 1;
    }
    return 0;
}

/* _AMOUNT: digits with one or two letters, or a letter with one or two digits. */
static int is_amount(const char *core, size_t size) {
    size_t digits = 0, letters = 0;
    while (digits < size && is(core[digits], DIGIT)) digits++;
    while (digits + letters < size && is(core[digits + letters], LETTER)) letters++;
    if (digits) return digits + letters == size && (letters == 1 || letters == 2);
    if (letters != 1 || size > 3) return 0;
    for (size_t at = 1; at < size; at++)
        if (!is(core[at], DIGIT)) return 0;
    return size > 1;
}

/* _LEET_TOKEN and _read_leet for the letters, digits and signs from `start` to `end`. */
static int leet_may_change(const Tables *tables, const char *lower, size_t start, size_t end) {
    while (end > start && (lower[end - 1] == '!' || lower[end - 1] == '|')) end--;
    const char *core = lower + start;
    const size_t size = end - start;
    if (size < SHORTEST_WORD || size > LONGEST) return 0;
    if (size < SHORTEST && !(is(core[0], LETTER) && !is(core[1], LETTER) && is(core[2], LETTER))) return 0;
    size_t letters = 0;
    for (size_t at = 0; at < size; at++) letters += is(core[at], LETTER) != 0;
    return letters && letters < size && !is_amount(core, size) && reads_as_word(tables, core, size);
}

/* Spellings of a word with fewer repeated letters, in lower case. Letters that differ in case are not repeated. */
typedef struct {
    char once[LONGEST], twice[LONGEST]; /* each run as one letter; as at most two */
    size_t once_size, twice_size;       /* may exceed LONGEST; the word is then not known */
    size_t squeezed_size;               /* letters with each run of three or more as one */
} Spellings;

static void keep(char *letters, size_t *size, char letter) {
    if (*size < LONGEST) letters[*size] = letter;
    ++*size;
}

static Spellings spellings_of(Part word) {
    Spellings found = {.once_size = 0};
    for (size_t at = 0, end; at < word.size; at = end) {
        for (end = at; end < word.size && word.text[end] == word.text[at];) end++;
        keep(found.once, &found.once_size, word.lower[at]);
        for (size_t i = at; i < end && i < at + 2; i++) keep(found.twice, &found.twice_size, word.lower[at]);
        found.squeezed_size += end - at == 2 ? 2 : 1;
    }
    return found;
}

/* Whether a word is known with fewer repeated letters, if it is not as it is. */
static int is_known_respelt(const Tables *tables, const Spellings *spellings, size_t size) {
    if (size < SHORTEST || spellings->once_size == size) return 0;
    return (spellings->twice_size < size && is_word(tables, spellings->twice, spellings->twice_size)) ||
           is_word(tables, spellings->once, spellings->once_size);
}

/* _squeeze for a run of letters. */
static int squeezes(const Tables *tables, Part word) {
    if (word.size < SHORTEST) return 0;
    const Spellings spellings = spellings_of(word);
    if (spellings.once_size == word.size || is_word(tables, word.lower, word.size)) return 0;
    return is_known_respelt(tables, &spellings, word.size) ||
           (spellings.squeezed_size >= LONG && spellings.squeezed_size < word.size);
}

/* _respell for a token without whitespace. */
static int respelling_may_change(const Tables *tables, Part token) {
    if (has_address(token)) return 0;
    for (size_t at = 0; at < token.size; at++)
        if (is(token.lower[at], LETTER) && pieces_join(tables, token, &at)) return 1;
    for (size_t at = 0, end; at < token.size; at = end + 1) {
        end = skip(token.lower, at, ALPHANUMERIC | LEET);
        if (end > at && leet_may_change(tables, token.lower, at, end)) return 1;
    }
    for (size_t at = 0, end; at < token.size; at = end + 1) {
        end = skip(token.lower, at, LETTER);
        if (end > at && squeezes(tables, part_of(token, at, end - at))) return 1;
    }
    return 0;
}

/* Whether a word is known that is not to be joined; of one letter, only "a" and "i". */
static int is_whole(const Tables *tables, const char *lower, size_t letters) {
    if (letters < 2) return !letters || *lower == 'a' || *lower == 'i';
    return is_known(tables, lower, letters);
}

/* _look_at: fills a word, and returns whether respelling may change it. */
static int look_at(const Tables *tables, Part part, Word *word) {
    size_t letters = part.size;
    while (letters && is(part.lower[letters - 1], TRAILING)) letters--;
    if (skip(part.lower, 0, LETTER) != letters) letters = 0;
    const int whole = is_whole(tables, part.lower, letters);
    word->letters = (uint16_t)letters;
    word->torn = whole ? 0 : (uint16_t)(letters < TORN ? letters : TORN);
    if (letters && whole) return 0;
    for (size_t at = 0, end; at < part.size; at = end + 1) {
        for (end = at; end < part.size && !is(part.lower[end], SPACE);) end++;
        if (end > at && respelling_may_change(tables, part_of(part, at, end - at))) return 1;
    }
    return 0;
}

/* _first_beside: the first word that can be joined with the fragment at `torn`. */
static size_t first_beside(const Word *words, size_t torn) {
    size_t first = torn, letters = words[torn].letters;
    while (first && first + MOST_FRAGMENTS > torn + 1) {
        const Word *before = &words[first - 1];
        letters += before->letters;
        if (before->letters != before->size || !before->letters || letters > LONGEST) break;
        first--;
    }
    return first;
}

/* _longest_join: whether words from `at` on join to a known one. */
static int joins_from(const Tables *tables, Part whole, const Word *words, size_t count, size_t at) {
    char text[LONGEST], lower[LONGEST];
    size_t size = 0, torn = 0;
    for (size_t end = at; end < count && end < at + MOST_FRAGMENTS; end++) {
        const Word *word = &words[end];
        if (!word->letters || size + word->letters > LONGEST) break;
        memcpy(text + size, whole.text + word->start, word->letters);
        memcpy(lower + size, whole.lower + word->start, word->letters);
        size += word->letters;
        torn += word->torn;
        if (torn >= TORN && end > at && size >= SHORTEST) {
            const Spellings spellings = spellings_of((Part){text, lower, size});
            if (is_word(tables, lower, size) || is_known_respelt(tables, &spellings, size)) return 1;
        }
        if (word->letters != word->size) break;
    }
    return 0;
}

/* _join_fragments: whether fragments join with the words beside them. Each word is tried once as the first. */
static int fragments_join(const Tables *tables, Part whole, const Word *words, size_t count) {
    size_t at = 0;
    for (size_t torn = 0; torn < count; torn++) {
        if (!words[torn].torn) continue;
        const size_t first = first_beside(words, torn);
        for (at = at > first ? at : first; at <= torn; at++)
            if (joins_from(tables, whole, words, count, at)) return 1;
    }
    return 0;
}

int joining_may_change(const Tables *tables, const char *text, size_t size, Scratch *scratch) {
    const Part whole = {text, scratch->lower, size};
    if (phrases_may_change(scratch->lower, size)) return 1;
    size_t count = 0, torn = 0;
    for (size_t start = 0, end; start <= size; start = end + 1) {
        for (end = start; end < size && text[end] != ' ';) end++;
        Word *word = &scratch->words[count++];
        *word = (Word){.start = (uint16_t)start, .size = (uint16_t)(end - start)};
        if (look_at(tables, part_of(whole, start, end - start), word)) return 1;
        torn += word->torn;
    }
    return torn >= TORN && fragments_join(tables, whole, scratch->words, count);
}
