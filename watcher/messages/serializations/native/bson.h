/* BSON, read where it lies: https://bsonspec.org. All lengths are checked against the end of what is there before anything is read. */
#ifndef WATCHER_BSON_H
#define WATCHER_BSON_H

#include <stdint.h>
#include <string.h>

enum {
    DOUBLE = 0x01, STRING = 0x02, DOCUMENT = 0x03, ARRAY = 0x04, BINARY = 0x05, OBJECT_ID = 0x07, BOOLEAN = 0x08, DATE = 0x09,
    NONE = 0x0A, INT32 = 0x10, TIMESTAMP = 0x11, INT64 = 0x12,
};

enum { GENERIC_BINARY = 0, UUID_BINARY = 4, OBJECT_ID_BYTES = 12, UUID_BYTES = 16 };

/* An element's value; `type` is 0 where there is none. */
typedef struct {
    const unsigned char *start, *end;
    int type;
} Value;

typedef struct {
    const unsigned char *name;
    size_t name_length;
    Value value;
} Element;

static int32_t read_int32(const unsigned char *at) {
    return (int32_t)((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
}

static int64_t read_int64(const unsigned char *at) {
    return (int64_t)((uint64_t)(uint32_t)read_int32(at) | (uint64_t)(uint32_t)read_int32(at + 4) << 32);
}

/* The bytes of a value of `type` at `at`; 0 for a type that is not known here, and for one that goes beyond `end`. */
static size_t value_length(int type, const unsigned char *at, const unsigned char *end) {
    size_t available = (size_t)(end - at), length;
    switch (type) {
    case DOUBLE: case DATE: case INT64: case TIMESTAMP: length = 8; break;
    case BOOLEAN: length = 1; break;
    case INT32: length = 4; break;
    case OBJECT_ID: length = OBJECT_ID_BYTES; break;
    case STRING: case BINARY: case DOCUMENT: case ARRAY: {
        if (available < 5) return 0;
        int64_t stated = read_int32(at);
        if (type == STRING ? stated < 1 : type == BINARY ? stated < 0 : stated < 5) return 0;
        length = (size_t)stated + (type == STRING ? 4 : type == BINARY ? 5 : 0);
        break;
    }
    default: return 0;
    }
    if (length > available) return 0;
    /* Strings, documents and arrays end with a zero byte. */
    if ((type == STRING || type == DOCUMENT || type == ARRAY) && at[length - 1]) return 0;
    return length;
}

/* The next element of a document, of which `*at` moves on; 0 at its end and where it is damaged: at its end `*at` is `end`. */
static inline int next_element(const unsigned char **at, const unsigned char *end, Element *element) {
    if (*at >= end) return 0;
    int type = *(*at);
    const unsigned char *name = *at + 1, *zero = name < end ? memchr(name, 0, (size_t)(end - name)) : NULL;
    if (!zero) return 0;
    const unsigned char *value = zero + 1;
    size_t length = type == NONE ? 0 : value_length(type, value, end);
    if (!length && type != NONE) return 0;
    *element = (Element){name, (size_t)(zero - name), {value, value + length, type}};
    *at = value + length;
    return 1;
}

static inline int is_named(const Element *element, const char *name, size_t length) {
    return element->name_length == length && !memcmp(element->name, name, length);
}

#define IS_NAMED(element, name) is_named(element, name, sizeof(name) - 1)

/* Where the elements of a document or array begin and end; the zero byte after them was checked by `value_length`. */
static inline const unsigned char *first_element(const Value *value) { return value->start + 4; }
static inline const unsigned char *last_byte(const Value *value) { return value->end - 1; }

/* The field `name` of `document`, whose type is 0 if there is none. 0 when there are several, or the document is damaged. */
static int find(const Value *document, const char *name, size_t length, Value *found) {
    const unsigned char *at = first_element(document), *end = last_byte(document);
    Element element;
    found->type = 0;
    while (next_element(&at, end, &element))
        if (is_named(&element, name, length)) {
            if (found->type) return 0;
            *found = element.value;
        }
    return at == end;
}

#endif
