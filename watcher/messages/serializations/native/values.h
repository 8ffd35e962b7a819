/* Values of BSON as JSON, and the forms in which they stand in a message. */
#ifndef WATCHER_VALUES_H
#define WATCHER_VALUES_H

#include "bson.h"
#include "numbers.h"
#include "strings.h"
#include "unique_names.h"

enum { DEEPEST = 128 /* levels of nesting; MongoDB allows 100 */ };

static int write_value(Text *text, const Value *value, int depth);

static int write_fields(Text *text, const Value *document, int depth) {
    const unsigned char *at = first_element(document), *end = last_byte(document);
    Names names = {{0}, 0, 0};
    Element element;
    int any = 0;
    if (!APPEND(text, "{")) return 0;
    for (; next_element(&at, end, &element); any = 1) {
        /* What looks like a DBRef is written in another order. */
        if (!is_new(&names, document, &element) || IS_NAMED(&element, "$ref")) return 0;
        if (any && !append_comma(text)) return 0;
        if (!write_string(text, element.name, element.name_length) || !append_colon(text)) return 0;
        if (!write_value(text, &element.value, depth)) return 0;
    }
    return at == end && APPEND(text, "}");
}

static int write_items(Text *text, const Value *array, int depth) {
    const unsigned char *at = first_element(array), *end = last_byte(array);
    Element element;
    int any = 0;
    if (!APPEND(text, "[")) return 0;
    for (; next_element(&at, end, &element); any = 1) {
        if (any && !append_comma(text)) return 0;
        if (!write_value(text, &element.value, depth)) return 0;
    }
    return at == end && APPEND(text, "]");
}

static int write_subtype(Text *text, int subtype) {
    unsigned char digits[] = {'0', (unsigned char)('0' + subtype)}; /* those that are known here have one */
    return write_string(text, digits, sizeof digits);
}

static int write_binary(Text *text, const Value *value) {
    int subtype = value->start[4];
    const unsigned char *bytes = value->start + 5;
    size_t count = (size_t)(value->end - bytes);
    if (subtype != GENERIC_BINARY && subtype != UUID_BINARY) return 0;
    switch (text->dialect) {
    case PLAIN:
        if (subtype == GENERIC_BINARY) return write_base64(text, bytes, count);
        return count == UUID_BYTES && write_uuid(text, bytes);
    case EXTENDED:
        if (!OPEN(text, "$binary") || !OPEN(text, "base64") || !write_base64(text, bytes, count) || !NEXT(text, "subType")) return 0;
        return write_subtype(text, subtype) && APPEND(text, "}}");
    default:
        if (!OPEN(text, "$binary") || !write_base64(text, bytes, count) || !NEXT(text, "$type")) return 0;
        return write_subtype(text, subtype) && APPEND(text, "}");
    }
}

static int write_value(Text *text, const Value *value, int depth) {
    const unsigned char *at = value->start;
    double number;
    uint64_t bits;
    switch (value->type) {
    case STRING: return write_string(text, at + 4, (size_t)(value->end - at) - 5);
    case INT32: return write_integer(text, read_int32(at));
    case INT64: return write_int64(text, read_int64(at));
    case TIMESTAMP: return write_timestamp(text, (uint32_t)read_int32(at + 4), (uint32_t)read_int32(at));
    case BOOLEAN: return at[0] > 1 ? 0 : at[0] ? APPEND(text, "true") : APPEND(text, "false");
    case NONE: return APPEND(text, "null");
    case OBJECT_ID: return write_object_id(text, at);
    case DATE: return write_date(text, read_int64(at));
    case BINARY: return write_binary(text, value);
    case DOUBLE:
        bits = (uint64_t)read_int64(at);
        memcpy(&number, &bits, sizeof number);
        return write_double(text, number);
    case DOCUMENT: return depth < DEEPEST && write_fields(text, value, depth + 1);
    case ARRAY: return depth < DEEPEST && write_items(text, value, depth + 1);
    default: return 0;
    }
}

/* ---- forms of a value ----------------------------------------------------------------------------------------------------------- */

/* A dialect, to which these are added: within a string; with a space after each colon, or each comma. Or one of the others, which have
 * none: numbers out of a date, a timestamp, or an integer; an array of strings; nothing, as the literal stands for a value that is not
 * there; a text by itself, without quotation marks. */
enum {
    DIALECT = 3, IN_STRING = 4, SPACED = 8,
    MILLISECONDS = 16, INCREMENT = 48, INTEGER = 64, STRINGS = 80, UNLESS_THERE = 96, BARE = 112, KIND = 112, COMMAS = 128,
};

static int write_in_string(Text *text, const Value *value) {
    if (value->type == NONE && !text->is_spaced) return APPEND(text, "null");
    int is_written = append_quote(text);
    text->in_string = 1;
    is_written = is_written && write_value(text, value, 0);
    text->in_string = 0;
    return is_written && append_quote(text);
}

/* An empty array is null. */
static int write_strings(Text *text, const Value *value) {
    if (value->type != ARRAY) return 0;
    const unsigned char *at = first_element(value);
    Element element;
    if (at == last_byte(value)) return APPEND(text, "null");
    while (next_element(&at, last_byte(value), &element))
        if (element.value.type != STRING) return 0;
    return write_items(text, value, 0);
}

/* Zeros may follow the milliseconds, and Python has no number of more than 64 bits for JSON. */
static inline int can_be_nanoseconds(int64_t ms) { return ms && ms <= INT64_MAX / 1000000 && ms >= INT64_MIN / 1000000; }

/* A string that needs no escapes, or a time. */
static int write_bare(Text *text, const Value *value) {
    size_t begin = length_of(text);
    if (value->type != STRING && value->type != DATE) return 0;
    if (!write_value(text, value, 0) || memchr(text->start + begin, '\\', length_of(text) - begin)) return 0;
    text->end -= 2;
    memmove(text->start + begin, text->start + begin + 1, length_of(text) - begin);
    return 1;
}

static int write_in_form(Text *text, const Value *value, int form) {
    const unsigned char *at = value->start;
    text->dialect = form & DIALECT;
    text->is_spaced = form & SPACED;
    text->is_airy = form & COMMAS;
    switch (form & KIND) {
    case MILLISECONDS: return value->type == DATE && can_be_nanoseconds(read_int64(at)) && write_integer(text, read_int64(at));
    case INCREMENT: return value->type == TIMESTAMP && write_integer(text, (uint32_t)read_int32(at));
    case INTEGER: return value->type == INT64 && write_integer(text, read_int64(at));
    case STRINGS: return write_strings(text, value);
    case BARE: return write_bare(text, value);
    default: return form & IN_STRING ? write_in_string(text, value) : write_value(text, value, 0);
    }
}

#endif
