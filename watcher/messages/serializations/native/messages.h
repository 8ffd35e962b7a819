/* Python's messages, out of the texts of a batch. */
#ifndef WATCHER_MESSAGES_H
#define WATCHER_MESSAGES_H

#include "batch.h"
#include "maker.h"

enum { LARGE_BYTES = 65536 /* a text that is copied without the lock */ };

enum { TOPIC, KEY, VALUE, TIMESTAMP_MS, OPERATION, PARTITION, REASON, HEADERS, HEADER_BYTES, DATABASE, FIELDS }; /* of a Message */

/* What Python has of an event: its bytes, and if it is the first of its route, of which database that is and what is known of where its
 * messages go: the topic, its limit, and what stands in front of key and value. */
typedef struct {
    PyObject *bytes, *database, *answer, *topic, *prefixes[2];
    Py_ssize_t limit;
} Held;

typedef struct {
    Held *held;
    Event *events;
    int count;
    size_t bytes;
    Text columns, text;
} Batch;

static PyObject *as_bytes(const char *from, size_t length) {
    if (length < LARGE_BYTES) return PyBytes_FromStringAndSize(from, (Py_ssize_t)length);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (!bytes) return NULL;
    char *copy = PyBytes_AsString(bytes);
    PyThreadState *state = PyEval_SaveThread(); /* nobody else knows these bytes yet */
    memcpy(copy, from, length);
    PyEval_RestoreThread(state);
    return bytes;
}

/* FAILED is with an exception, LEFT is for what is better left to Python, and TOO_LARGE for a message beyond its topic's limit. */
typedef enum { FAILED, LEFT, TOO_LARGE, DONE } Outcome;

/* A string of an event that is no UTF-8 is Python's to read. */
static Outcome take_string(const Value *value, PyObject **string) {
    if ((*string = PyUnicode_DecodeUTF8((const char *)value->start + 4, value->end - value->start - 5, NULL))) return DONE;
    if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return FAILED;
    PyErr_Clear();
    return LEFT;
}

static const MadeCase *case_of(const Maker *maker, const Event *event) {
    return &maker->cases[event->one - maker->template.cases];
}

/* Asks where the messages of a route go. */
static Outcome find_topic(const Maker *maker, Batch *batch, int route, PyObject *topic_of) {
    const Event *first = &batch->events[route];
    Held *held = &batch->held[route];
    PyObject *collection = NULL;
    Outcome outcome = held->database ? DONE : take_string(&first->database, &held->database);
    if (outcome == DONE) outcome = take_string(&first->collection, &collection);
    if (outcome != DONE) return outcome;
    held->answer = PyObject_CallFunctionObjArgs(topic_of, case_of(maker, first)->operation, held->database, collection, NULL);
    Py_DecRef(collection);
    if (held->answer && !PyTuple_Check(held->answer)) PyErr_SetString(PyExc_TypeError, "a tuple is wanted");
    if (PyErr_Occurred()) return FAILED;
    int is_good = PyArg_ParseTuple(held->answer, "OnSS", &held->topic, &held->limit, &held->prefixes[0], &held->prefixes[1]);
    if (!is_good) held->topic = NULL;
    return is_good ? DONE : FAILED;
}

/* Takes the reference over. */
static int put_into(PyObject *tuple, Py_ssize_t at, PyObject *item) { return item && !PyTuple_SetItem(tuple, at, item); }

static PyObject *shared(PyObject *object) {
    Py_IncRef(object);
    return object;
}

/* A pair of a name and a text that varies. Like a message, it is taken out of the collector's sight. */
static PyObject *new_header(PyObject *name, const char *text, size_t length) {
    PyObject *pair = PyTuple_New(2);
    if (pair && put_into(pair, 0, shared(name)) && put_into(pair, 1, PyBytes_FromStringAndSize(text, (Py_ssize_t)length))) {
        PyObject_GC_UnTrack(pair);
        return pair;
    }
    Py_DecRef(pair);
    return NULL;
}

/* The list of an event's headers; those that never vary are the same objects in all of them. */
static PyObject *new_headers(const Batch *batch, const Event *event, PyObject *headers) {
    Py_ssize_t count = PyTuple_Size(headers);
    const size_t *end = &event->ends[1];
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *header = PyTuple_GetItem(headers, i);
        if (PyTuple_Check(header)) Py_IncRef(header);
        else header = new_header(header, batch->text.start + end[0], end[1] - end[0]), end++;
        if (header && !PyList_SetItem(list, i, header)) continue;
        Py_DecRef(list);
        return NULL;
    }
    if (list) PyObject_GC_UnTrack(list);
    return list;
}

static Py_ssize_t header_size(const Event *event, const MadeCase *made) {
    return (Py_ssize_t)(event->ends[event->one->texts - 1] - event->ends[1]) + made->header_bytes;
}

/* Puts what stands in front of a key or value into the place that was left for it. */
static int put_prefix(char *at, size_t room, PyObject *prefix) {
    char *bytes;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(prefix, &bytes, &length)) return 0;
    if ((size_t)length > room) return refuse("there is no place for such a prefix");
    memcpy(at, bytes, (size_t)length);
    return 1;
}

static Outcome put_fields(PyObject *fields, const Maker *maker, Batch *batch, const Event *event) {
    char *key = batch->text.start + event->begin, *value = batch->text.start + event->ends[0];
    const Held *route = &batch->held[event->route];
    const MadeCase *made = case_of(maker, event);
    Py_ssize_t headers = header_size(event, made), size = (Py_ssize_t)(key_size(event) + value_size(event)) + headers;
    if (size > route->limit) return TOO_LARGE;
    int complete = put_prefix(key, key_size(event), route->prefixes[0]) &&
        (event->is_tombstone || put_prefix(value, value_size(event), route->prefixes[1])) &&
        put_into(fields, TOPIC, shared(route->topic)) &&
        put_into(fields, KEY, as_bytes(key, key_size(event))) &&
        put_into(fields, VALUE, event->is_tombstone ? shared(Py_None) : as_bytes(value, value_size(event))) &&
        /* The nearest time that a record can have, as Kafka takes no negative ones. */
        put_into(fields, TIMESTAMP_MS, PyLong_FromLongLong(event->time_ms > 0 ? event->time_ms : 0)) &&
        put_into(fields, OPERATION, shared(made->operation)) && put_into(fields, DATABASE, shared(route->database)) &&
        put_into(fields, HEADERS, PyTuple_Size(made->headers) ? new_headers(batch, event, made->headers) : shared(Py_None)) &&
        put_into(fields, HEADER_BYTES, PyLong_FromSsize_t(headers));
    return complete ? DONE : FAILED;
}

/* `arguments` are those of tuple.__new__: the fields, which are used for each message anew. */
static Outcome append_message(const Maker *maker, PyObject *arguments, PyObject *messages) {
    PyObject *message = maker->make_tuple((PyTypeObject *)maker->message_type, arguments, NULL);
    if (!message) return FAILED;
    PyObject_GC_UnTrack(message); /* no cycle goes through it: the collector would look at each of them in vain */
    int failed = PyList_Append(messages, message);
    Py_DecRef(message);
    return failed ? FAILED : DONE;
}

/* Makes the messages of the `count` events that were written, up to the first that has to be left, and counts the bytes of their values. */
static Outcome make_messages(
    const Maker *maker, Batch *batch, int count, PyObject *topic_of, PyObject *arguments, PyObject *messages, Py_ssize_t *size) {
    Outcome outcome = DONE;
    for (int i = 0; i < count; i++) {
        const Event *event = &batch->events[i];
        if (!batch->held[event->route].topic) outcome = find_topic(maker, batch, event->route, topic_of);
        if (outcome == DONE) outcome = put_fields(PyTuple_GetItem(arguments, 0), maker, batch, event);
        if (outcome == DONE) outcome = append_message(maker, arguments, messages);
        if (outcome != DONE) break;
        *size += (Py_ssize_t)value_size(event);
    }
    return outcome;
}

/* What all messages have in common, and room for the rest. */
static PyObject *new_arguments(void) {
    PyObject *fields = PyTuple_New(FIELDS);
    int complete = fields != NULL;
    for (Py_ssize_t i = 0; complete && i < FIELDS; i++)
        complete = put_into(
            fields, i,
            i == PARTITION ? PyLong_FromLong(-1) : i == REASON || i == DATABASE ? PyUnicode_FromString("") : i == HEADER_BYTES ? PyLong_FromLong(0) :
            shared(Py_None));
    if (complete) return Py_BuildValue("(N)", fields);
    Py_DecRef(fields);
    return NULL;
}

#endif
