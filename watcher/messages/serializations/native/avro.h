/* Avro's encoding of columns: JSON texts that each end with a zero byte, of which `avro.py` says more. It gives up, for Python to do it,
 * where a column is none of the common kinds, or not what its kind says. */
#ifndef WATCHER_AVRO_H
#define WATCHER_AVRO_H

#include <Python.h>

#include "messages.h"
#include <stdint.h>
#include <string.h>

enum { MOST_COLUMNS = 48, HEAD_BYTES = 11 /* of a union's tag and a number */ };

/* Kinds of columns (`avro_binary.py`). A text that is JSON, or a string's own; a string in quotation marks; a number; anything else. In
 * upper case null is a branch of its own: for JSON the absent text alone, for the others also the word. */
enum { JSON = 'j', OPTIONAL_JSON = 'J', OPTIONAL_TEXT = 'T', TEXT = 't', OPTIONAL_STRING = 'S', QUOTED = 's', OPTIONAL_LONG = 'L', LONG = 'l' };

/* A column as it is encoded: a tag or a number, and bytes behind it. */
typedef struct {
    unsigned char head[HEAD_BYTES];
    size_t head_count, count;
    const char *bytes;
} Encoded;

static void put_long(Encoded *to, int64_t number) {
    uint64_t left = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    for (; left > 0x7F; left >>= 7) to->head[to->head_count++] = (unsigned char)(left | 0x80);
    to->head[to->head_count++] = (unsigned char)left;
}

static int encode_bytes(Encoded *to, const char *bytes, size_t count) {
    put_long(to, (int64_t)count);
    to->bytes = bytes;
    to->count = count;
    return 1;
}

static int encode_quoted(Encoded *to, const char *text, size_t length) {
    if (length < 2 || text[0] != '"' || memchr(text, '\\', length)) return 0;
    return encode_bytes(to, text + 1, length - 2);
}

static int encode_number(Encoded *to, const char *text, size_t length) {
    uint64_t number = 0;
    int is_negative = text[0] == '-';
    if (length - (size_t)is_negative > 19 || length == (size_t)is_negative) return 0; /* 19 digits are within 64 bits */
    for (size_t i = (size_t)is_negative; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return 0;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    if (number > INT64_MAX) return 0;
    put_long(to, is_negative ? -(int64_t)number : (int64_t)number);
    return 1;
}

static int encode_column(Encoded *to, char kind, const char *text, size_t length) {
    int is_optional = kind >= 'A' && kind <= 'Z', is_null = !length;
    to->head_count = to->count = 0;
    if (is_optional) {
        is_null |= kind != OPTIONAL_JSON && length == 4 && !memcmp(text, "null", 4);
        to->head[to->head_count++] = is_null ? 0x00 : 0x02;
        if (is_null) return 1;
    } else if (is_null) {
        return 0;
    }
    switch (kind) {
    case OPTIONAL_JSON: case OPTIONAL_TEXT: case TEXT: return encode_bytes(to, text, length);
    case JSON: return !(length == 4 && !memcmp(text, "null", 4)) && encode_bytes(to, text, length); /* it may stand for a tombstone */
    case OPTIONAL_STRING: case QUOTED: return encode_quoted(to, text, length);
    case OPTIONAL_LONG: case LONG: return encode_number(to, text, length);
    default: return 0;
    }
}

/* Returns 0 where Python has to do it. */
static int encode_columns(Encoded *encoded, const char *at, const char *end, const char *kinds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *zero = memchr(at, 0, (size_t)(end - at));
        if (!zero || !encode_column(&encoded[i], kinds[i], at, (size_t)(zero - at))) return 0;
        at = zero + 1;
    }
    return at == end;
}

static char *copied(char *to, PyObject *bytes, int *is_good) {
    char *from;
    Py_ssize_t count;
    if (PyBytes_AsStringAndSize(bytes, &from, &count)) return *is_good = 0, to;
    memcpy(to, from, (size_t)count);
    return to + count;
}

/* The record's bytes: prefix, and the literals with the columns between them. */
static PyObject *joined(PyObject *prefix, PyObject *literals, const Encoded *encoded, size_t count) {
    int is_good = 1;
    Py_ssize_t size = PyBytes_Size(prefix);
    for (size_t i = 0; i <= count; i++) size += PyBytes_Size(PyTuple_GetItem(literals, (Py_ssize_t)i));
    for (size_t i = 0; i < count; i++) size += (Py_ssize_t)(encoded[i].head_count + encoded[i].count);
    if (PyErr_Occurred()) return NULL;
    PyObject *record = PyBytes_FromStringAndSize(NULL, size);
    if (!record) return NULL;
    char *to = copied(PyBytes_AsString(record), prefix, &is_good);
    for (size_t i = 0; i < count && is_good; i++) {
        to = copied(to, PyTuple_GetItem(literals, (Py_ssize_t)i), &is_good);
        memcpy(to, encoded[i].head, encoded[i].head_count);
        to += encoded[i].head_count;
        if (encoded[i].count) memcpy(to, encoded[i].bytes, encoded[i].count);
        to += encoded[i].count;
    }
    copied(to, PyTuple_GetItem(literals, (Py_ssize_t)count), &is_good);
    if (is_good) return record;
    Py_DecRef(record);
    return NULL;
}

/* The Avro record of columns behind a prefix, or None for what is better left to Python; NULL with an exception when arguments are wrong. */
static PyObject *record_of(PyObject *records, PyObject *text, PyObject *prefix) {
    Encoded encoded[MOST_COLUMNS];
    PyObject *kinds, *literals;
    char *columns, *letters;
    Py_ssize_t length, count, number = 0;
    if (PyBytes_AsStringAndSize(text, &columns, &length)) return NULL;
    const char *at = columns, *end = columns + length;
    while (at < end && *at >= '0' && *at <= '9' && number < 1000) number = number * 10 + (*at++ - '0');
    PyObject *record = PyTuple_GetItem(records, number);
    if (!record || !(kinds = PyTuple_GetItem(record, 0)) || !(literals = PyTuple_GetItem(record, 1))) return NULL;
    if (PyBytes_AsStringAndSize(kinds, &letters, &count)) return NULL;
    if (count > MOST_COLUMNS || PyTuple_Size(literals) != count + 1) {
        PyErr_SetString(PyExc_ValueError, "a record has a literal before, between and behind its columns, and few of them");
        return NULL;
    }
    if (at < end && !*at && encode_columns(encoded, at + 1, end, letters, (size_t)count))
        return joined(prefix, literals, encoded, (size_t)count);
    Py_IncRef(Py_None);
    return Py_None;
}

static PyObject *avro_record(PyObject *module, PyObject *const *arguments, Py_ssize_t given) {
    (void)module;
    if (given == 3) return record_of(arguments[0], arguments[1], arguments[2]);
    PyErr_SetString(PyExc_TypeError, "avro_record() takes records, columns and a prefix");
    return NULL;
}

/* Puts records in the place of the columns in one message, which nobody else has yet; 0 when it is left as it is, -1 with an exception. */
static int frame_message(PyObject *records, PyObject *message, PyObject *prefixes) {
    PyObject *key = PyTuple_GetItem(message, KEY), *value = PyTuple_GetItem(message, VALUE);
    PyObject *key_prefix = PyTuple_GetItem(prefixes, 0), *value_prefix = PyTuple_GetItem(prefixes, 1);
    if (!key || !value || !key_prefix || !value_prefix) return -1;
    PyObject *new_key = record_of(records, key, key_prefix);
    if (!new_key) return -1;
    PyObject *new_value = value;
    if (value == Py_None) Py_IncRef(Py_None);
    else new_value = record_of(records, value, value_prefix);
    if (!new_value || new_key == Py_None || (new_value == Py_None && value != Py_None)) {
        Py_DecRef(new_key);
        Py_DecRef(new_value);
        return new_value ? 0 : -1;
    }
    if (PyTuple_SetItem(message, KEY, new_key)) {
        Py_DecRef(new_value);
        return -1;
    }
    return PyTuple_SetItem(message, VALUE, new_value) ? -1 : 1;
}

static PyObject *avro_frame(PyObject *module, PyObject *const *arguments, Py_ssize_t given) {
    (void)module;
    if (given != 4 || !PyList_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "avro_frame() takes records, a list of messages, the first one's number and prefixes_of");
        return NULL;
    }
    PyObject *messages = arguments[1], *last = NULL, *prefixes = NULL;
    Py_ssize_t number = PyLong_AsSsize_t(arguments[2]);
    int done = number < 0 ? -1 : 1;
    for (; done == 1 && number < PyList_Size(messages); number += done == 1) {
        PyObject *message = PyList_GetItem(messages, number), *topic = message ? PyTuple_GetItem(message, TOPIC) : NULL;
        if (topic && topic != last) {
            Py_DecRef(prefixes);
            prefixes = PyObject_CallFunctionObjArgs(arguments[3], topic, NULL);
            last = topic; /* the message keeps it */
        }
        done = topic && prefixes ? frame_message(arguments[0], message, prefixes) : -1;
    }
    Py_DecRef(prefixes);
    return done < 0 ? NULL : PyLong_FromSsize_t(number);
}

#endif
