/* Avro's encoding of columns: JSON texts that each end with a zero byte, of which `avro.py` says more. It gives up, for Python to do it,
 * where a column is none of the common kinds, or not what its kind says. */
#ifndef WATCHER_AVRO_H
#define WATCHER_AVRO_H

#include "strings.h"

enum { MOST_RECORDS = 16, NUMBER_BYTES = 10 /* of a number, at most */ };

/* Kinds of columns (`avro_binary.py`). A text that is JSON, or a string's own; a string in quotation marks; a number; an array of strings;
 * anything else. In upper case null is a branch of its own: for JSON the absent text alone, for the others also the word. */
enum {
    JSON = 'j', OPTIONAL_JSON = 'J', TEXT = 't', OPTIONAL_TEXT = 'T', QUOTED = 's', OPTIONAL_QUOTED = 'S', LONG = 'l', OPTIONAL_LONG = 'L',
    LIST = 'a', OPTIONAL_LIST = 'A',
};

typedef struct {
    const char *bytes;
    size_t length;
} Literal;

/* The kinds of its columns, and the literals before, between and behind them. */
typedef struct {
    const char *kinds;
    size_t count;
    Literal *literals;
} Record;

/* Only after `reserve`. */
static void put_long(Text *text, int64_t number) {
    uint64_t left = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    for (; left > 0x7F; left >>= 7) *text->end++ = (char)(left | 0x80);
    *text->end++ = (char)left;
}

static int append_counted(Text *text, const char *from, size_t length) {
    if (!reserve(text, NUMBER_BYTES + length)) return 0;
    put_long(text, (int64_t)length);
    put(text, from, length);
    return 1;
}

static int append_quoted(Text *text, const char *from, size_t length) {
    if (length < 2 || from[0] != '"' || memchr(from, '\\', length)) return 0;
    return append_counted(text, from + 1, length - 2);
}

static int append_long(Text *text, const char *from, size_t length) {
    uint64_t number = 0;
    size_t at = from[0] == '-';
    if (length - at > 19 || length == at || !reserve(text, NUMBER_BYTES)) return 0; /* 19 digits are within 64 bits */
    for (; at < length; at++) {
        if (from[at] < '0' || from[at] > '9') return 0;
        number = number * 10 + (uint64_t)(from[at] - '0');
    }
    if (number > INT64_MAX) return 0;
    put_long(text, from[0] == '-' ? -(int64_t)number : (int64_t)number);
    return 1;
}

/* The strings between the brackets of an array of `count`. There has to be room for them. */
static int put_items(Text *text, const char *at, const char *end, size_t count) {
    put_long(text, (int64_t)count);
    for (;; at++) {
        const char *last = at < end && *at == '"' ? memchr(at + 1, '"', (size_t)(end - at - 1)) : NULL;
        if (!last) return 0;
        put_long(text, last - at - 1);
        put(text, at + 1, (size_t)(last - at - 1));
        at = last + 1;
        if (at == end) return 1;
        if (*at != ',') return 0;
    }
}

/* An array of strings of printable ASCII without escapes. */
static int append_list(Text *text, const char *from, size_t length) {
    size_t marks = 0;
    if (length < 2 || from[0] != '[' || from[length - 1] != ']') return 0;
    for (size_t i = 0; i < length; i++) {
        if (from[i] == '"') marks++;
        else if (!is_plain((unsigned char)from[i])) return 0;
    }
    if (!reserve(text, NUMBER_BYTES * (marks / 2 + 2) + length)) return 0;
    if (length > 2 && !put_items(text, from + 1, from + length - 1, marks / 2)) return 0;
    put_long(text, 0);
    return 1;
}

static inline int is_null_word(const char *from, size_t length) { return length == 4 && !memcmp(from, "null", 4); }

static int append_column(Text *text, char kind, const char *from, size_t length) {
    if (kind >= 'A' && kind <= 'Z') {
        int is_null = !length || (kind != OPTIONAL_JSON && is_null_word(from, length));
        if (!append(text, is_null ? "\0" : "\2", 1)) return 0;
        if (is_null) return 1;
    } else if (!length) {
        return 0;
    }
    switch (kind) {
    case OPTIONAL_JSON: case OPTIONAL_TEXT: case TEXT: return append_counted(text, from, length);
    case JSON: return !is_null_word(from, length) && append_counted(text, from, length); /* it may stand for a tombstone */
    case OPTIONAL_QUOTED: case QUOTED: return append_quoted(text, from, length);
    case OPTIONAL_LONG: case LONG: return append_long(text, from, length);
    case OPTIONAL_LIST: case LIST: return append_list(text, from, length);
    default: return 0;
    }
}

/* The record of the columns from `at` to `end`, the first of which is its number. 0 where Python has to do it. */
static int append_record(Text *text, const Record *records, int count, const char *at, const char *end) {
    int number = 0;
    while (at < end && *at >= '0' && *at <= '9' && number < count) number = number * 10 + (*at++ - '0');
    if (number >= count || at == end || *at++) return 0;
    const Record *record = &records[number];
    const Literal *literal = record->literals;
    if (!append(text, literal->bytes, literal->length)) return 0;
    for (size_t i = 0; i < record->count; i++) {
        const char *zero = memchr(at, 0, (size_t)(end - at));
        if (!zero || !append_column(text, record->kinds[i], at, (size_t)(zero - at))) return 0;
        literal++;
        if (!append(text, literal->bytes, literal->length)) return 0;
        at = zero + 1;
    }
    return at == end;
}

#endif
