/* A text that grows, in memory that is no object of Python's: so it is written without the interpreter's lock. */
#ifndef WATCHER_TEXT_H
#define WATCHER_TEXT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The ways of writing BSON as JSON, by the codes that Python gives them (`template.py`). */
enum { PLAIN = 0, EXTENDED = 1, STRICT = 2 };

typedef struct {
    char *start, *end, *limit;
    int dialect;
    int is_spaced; /* a space follows each colon, */
    int is_airy;   /* and each comma */
    int in_string; /* it stands within a string */
} Text;

static inline size_t length_of(const Text *text) { return (size_t)(text->end - text->start); }

static int reserve(Text *text, size_t more) {
    if ((size_t)(text->limit - text->end) >= more) return 1;
    size_t used = length_of(text), size = (size_t)(text->limit - text->start);
    size += size / 2 + more;
    char *grown = realloc(text->start, size);
    if (!grown) return 0;
    text->start = grown;
    text->end = grown + used;
    text->limit = grown + size;
    return 1;
}

/* Only after `reserve`. */
static inline void put(Text *text, const void *bytes, size_t count) {
    memcpy(text->end, bytes, count);
    text->end += count;
}

#define PUT(text, literal) put(text, literal, sizeof(literal) - 1)

static int append(Text *text, const void *bytes, size_t count) {
    if (!reserve(text, count)) return 0;
    put(text, bytes, count);
    return 1;
}

#define APPEND(text, literal) append(text, literal, sizeof(literal) - 1)

static inline int append_colon(Text *text) { return text->is_spaced ? APPEND(text, ": ") : APPEND(text, ":"); }
static inline int append_comma(Text *text) { return text->is_airy ? APPEND(text, ", ") : APPEND(text, ","); }

/* A quotation mark or a backslash, which is escaped within a string. Only after `reserve` of two bytes. */
static inline void put_mark(Text *text, char mark) {
    if (text->in_string) *text->end++ = '\\';
    *text->end++ = mark;
}

static inline int append_quote(Text *text) {
    if (!reserve(text, 2)) return 0;
    put_mark(text, '"');
    return 1;
}

static int append_name(Text *text, const char *name, size_t length) {
    if (!reserve(text, length + 4)) return 0;
    put_mark(text, '"');
    put(text, name, length);
    put_mark(text, '"');
    return append_colon(text);
}

/* The beginning of an object's first field, and of one that follows. */
#define OPEN(text, name) (APPEND(text, "{") && append_name(text, name, sizeof(name) - 1))
#define NEXT(text, name) (append_comma(text) && append_name(text, name, sizeof(name) - 1))

#endif
