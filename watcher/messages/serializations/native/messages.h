/* Python's messages, out of the texts of a batch. */
#ifndef WATCHER_MESSAGES_H
#define WATCHER_MESSAGES_H

#include "batch.h"
#include "maker.h"

enum { LARGE_BYTES = 65536 /* a text that is copied without the lock */ };

enum { TOPIC, KEY, VALUE, TIMESTAMP_MS, OPERATION, PARTITION, REASON, HEADERS, HEADER_BYTES, DATABASE, FIELDS }; /* of a Message */

/* What Python has of an event: its bytes, and if it is the first of its route, of which database that is and where its messages go. */
typedef struct {
    PyObject *bytes, *database, *topic;
    Py_ssize_t limit;
} Held;

typedef struct {
    Held *held;
    Event *events;
    int count;
    size_t bytes;
    Text text;
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

/* Calls a function of Python's that returns an object, of which there is a new reference then, and a number. */
static Outcome call(PyObject *function, PyObject *arguments, PyObject **object, Py_ssize_t *number) {
    PyObject *result = arguments ? PyObject_CallObject(function, arguments) : NULL;
    Outcome outcome = FAILED;
    if (result && (!PyTuple_Check(result) || PyTuple_Size(result) != 2)) PyErr_SetString(PyExc_TypeError, "a pair is wanted");
    else if (result && ((*number = PyLong_AsSsize_t(PyTuple_GetItem(result, 1))) != -1 || !PyErr_Occurred())) {
        Py_IncRef(*object = PyTuple_GetItem(result, 0));
        outcome = DONE;
    }
    Py_DecRef(result);
    Py_DecRef(arguments);
    return outcome;
}

static PyObject *operation_of(const Maker *maker, const Event *event) {
    return maker->operations[event->one - maker->template.cases];
}

/* Asks for the topic of a route and its limit. */
static Outcome find_topic(const Maker *maker, Batch *batch, int route, PyObject *topic_of) {
    const Event *first = &batch->events[route];
    Held *held = &batch->held[route];
    PyObject *collection = NULL;
    Outcome outcome = held->database ? DONE : take_string(&first->database, &held->database);
    if (outcome == DONE) outcome = take_string(&first->collection, &collection);
    if (outcome == DONE) {
        PyObject *arguments = Py_BuildValue("(OOO)", operation_of(maker, first), held->database, collection);
        outcome = call(topic_of, arguments, &held->topic, &held->limit);
    }
    Py_DecRef(collection);
    return outcome;
}

/* Takes the reference over. */
static int put_into(PyObject *tuple, Py_ssize_t at, PyObject *item) { return item && !PyTuple_SetItem(tuple, at, item); }

static PyObject *shared(PyObject *object) {
    Py_IncRef(object);
    return object;
}

static Outcome put_headers(PyObject *fields, const Maker *maker, const Event *event, PyObject *headers_of) {
    PyObject *id, *headers;
    Py_ssize_t size;
    Outcome outcome = take_string(&event->id, &id);
    if (outcome != DONE) return outcome;
    PyObject *arguments =
        Py_BuildValue("(OLNL)", operation_of(maker, event), (long long)event->number, id, (long long)event->time_ms);
    outcome = call(headers_of, arguments, &headers, &size);
    if (outcome != DONE) return outcome;
    return put_into(fields, HEADERS, headers) && put_into(fields, HEADER_BYTES, PyLong_FromSsize_t(size)) ? DONE : FAILED;
}

static Outcome put_fields(
    PyObject *fields, const Maker *maker, const Batch *batch, const Event *event, PyObject *headers_of) {
    const char *key = batch->text.start + event->begin, *value = batch->text.start + event->ends[0];
    const Held *route = &batch->held[event->route];
    Py_ssize_t size = (Py_ssize_t)(event->ends[1] - event->begin);
    if (headers_of) {
        Outcome outcome = put_headers(fields, maker, event, headers_of);
        if (outcome != DONE) return outcome;
        size += PyLong_AsSsize_t(PyTuple_GetItem(fields, HEADER_BYTES));
    }
    if (size > route->limit) return TOO_LARGE;
    int complete = put_into(fields, TOPIC, shared(route->topic)) && put_into(fields, KEY, as_bytes(key, key_size(event))) &&
        put_into(fields, VALUE, value_size(event) ? as_bytes(value, value_size(event)) : shared(Py_None)) &&
        /* The nearest time that a record can have, as Kafka takes no negative ones. */
        put_into(fields, TIMESTAMP_MS, PyLong_FromLongLong(event->time_ms > 0 ? event->time_ms : 0)) &&
        put_into(fields, OPERATION, shared(operation_of(maker, event))) && put_into(fields, DATABASE, shared(route->database));
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
    const Maker *maker, Batch *batch, int count, PyObject *topic_of, PyObject *headers_of, PyObject *arguments, PyObject *messages,
    Py_ssize_t *size) {
    Outcome outcome = DONE;
    for (int i = 0; i < count; i++) {
        const Event *event = &batch->events[i];
        if (!batch->held[event->route].topic) outcome = find_topic(maker, batch, event->route, topic_of);
        if (outcome == DONE) outcome = put_fields(PyTuple_GetItem(arguments, 0), maker, batch, event, headers_of);
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
