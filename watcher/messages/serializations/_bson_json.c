/* Makes the messages of a batch of events in one call: BSON values as JSON, straight into templates, without Python's objects.
 *
 * Decoding an event into Python's objects and writing those as JSON takes 12 us for a small one; this takes 0.9 us, and in 0.6 of them
 * other threads have the interpreter. A template comes from Python (`template.py`): it says where the values are in an event, and what stands around
 * them in a message. This can write the values that nearly all events are made of. At the first event that it cannot write it stops:
 * unusual BSON types, damaged or ambiguous BSON (a key that comes twice), values that need Python's care. Then Python does it, which is
 * the definition of the format; whatever this makes is the same to the byte (tests/unit/test_native_json.py). So nothing here ever raises
 * for an event's sake.
 *
 * First all texts are written without the interpreter's lock (`native/batch.h`), however large the events are and in time linear in their
 * size; then the messages are made of them, with the lock (`native/messages.h`). The events are bytes objects, which nobody can change, and they are held meanwhile.
 *
 * References are counted by functions of the interpreter that runs this, never by its headers' macros. One build serves all Pythons,
 * and the headers differ: to those of 3.12 and later None is immortal, so Py_RETURN_NONE counts nothing, while 3.11 counts it. Nor are
 * arguments parsed by formats with `#`: compiled with the headers of 3.13, they fail on earlier Pythons.
 */
#include <Python.h>
#include <sys/random.h>
#include <unistd.h>

#include "native/messages.h"

/* The most of a call's events, but one comes always: their texts shall still be in the processor's cache when messages are made of them. */
enum { MOST_EVENTS = 1024, MOST_BYTES = 512 * 1024 };

enum { UNLOCKED_BYTES = 4096 /* below that the lock is kept: to have it back takes longer than the work */ };

static const char CAPSULE[] = "template";

static void forget_batch(Batch *batch) {
    for (int i = 0; i < batch->count; i++) {
        Py_DecRef(batch->held[i].bytes);
        Py_DecRef(batch->held[i].database);
        Py_DecRef(batch->held[i].answer);
    }
    PyMem_Free(batch->held);
    PyMem_Free(batch->events);
    free(batch->columns.start);
    free(batch->text.start);
}

/* Holds the events from `first` on that are done in this call: `count` of them at most. */
static int hold(Batch *batch, PyObject *events, Py_ssize_t first, Py_ssize_t count) {
    if (first < 0 || count < 0) count = 0;
    if (count > MOST_EVENTS) count = MOST_EVENTS;
    batch->held = PyMem_Malloc((size_t)count * sizeof *batch->held);
    batch->events = PyMem_Malloc((size_t)count * sizeof *batch->events);
    if (!batch->held || !batch->events) {
        PyErr_NoMemory();
        return 0;
    }
    while (batch->count < count) {
        PyObject *bytes = PySequence_GetItem(events, first + batch->count);
        char *start;
        Py_ssize_t length;
        if (!bytes || PyBytes_AsStringAndSize(bytes, &start, &length)) {
            Py_DecRef(bytes);
            return 0;
        }
        if (batch->count && batch->bytes + (size_t)length > MOST_BYTES) {
            Py_DecRef(bytes);
            break;
        }
        Event *event = &batch->events[batch->count];
        event->bytes = (const unsigned char *)start;
        event->length = (size_t)length;
        batch->held[batch->count++] = (Held){.bytes = bytes};
        batch->bytes += (size_t)length;
    }
    return 1;
}

static int write_unlocked(const Maker *maker, Batch *batch, int64_t number, size_t most) {
    const Template *template = &maker->template;
    if (batch->bytes < UNLOCKED_BYTES)
        return write_batch(template, batch->events, batch->count, number, most, &batch->columns, &batch->text);
    PyThreadState *state = PyEval_SaveThread();
    int count = write_batch(template, batch->events, batch->count, number, most, &batch->columns, &batch->text);
    PyEval_RestoreThread(state);
    return count;
}

static PyObject *filled(const Maker *maker, Batch *batch, int64_t number, Py_ssize_t most, PyObject *topic_of) {
    size_t room = batch->bytes + batch->bytes / 2 + 512;
    if (!(batch->text.start = malloc(room))) return PyErr_NoMemory();
    batch->text.end = batch->text.start;
    batch->text.limit = batch->text.start + room;
    int count = write_unlocked(maker, batch, number, most > 0 ? (size_t)most : 0);
    PyObject *messages = PyList_New(0), *arguments = new_arguments(), *result = NULL;
    if (messages && arguments) {
        Py_ssize_t size = 0;
        Outcome outcome = make_messages(maker, batch, count, topic_of, arguments, messages, &size);
        if (outcome != FAILED) result = Py_BuildValue("(OnN)", messages, size, PyBool_FromLong(outcome == TOO_LARGE));
    }
    Py_DecRef(messages);
    Py_DecRef(arguments);
    return result;
}

static PyObject *fill(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (count != 7) {
        PyErr_SetString(PyExc_TypeError, "fill() takes 7 arguments");
        return NULL;
    }
    const Maker *maker = PyCapsule_GetPointer(arguments[0], CAPSULE);
    if (!maker) {
        PyErr_SetString(PyExc_TypeError, "fill() takes what template() has made");
        return NULL;
    }
    Py_ssize_t first = PyLong_AsSsize_t(arguments[2]), events = PyLong_AsSsize_t(arguments[3]), most = PyLong_AsSsize_t(arguments[5]);
    if (PyErr_Occurred()) return NULL;
    long long number = PyLong_AsLongLong(arguments[4]);
    if (number == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return NULL;
        PyErr_Clear();
        return Py_BuildValue("([]iN)", 0, PyBool_FromLong(0));
    }
    Batch batch = {0};
    PyObject *result = NULL;
    if (hold(&batch, arguments[1], first, events)) result = filled(maker, &batch, number, most, arguments[6]);
    forget_batch(&batch);
    return result;
}

static void forget_capsule(PyObject *capsule) { forget(PyCapsule_GetPointer(capsule, CAPSULE)); }

static PyObject *template(PyObject *module, PyObject *arguments) {
    (void)module;
    Maker *maker = new_maker(arguments);
    PyObject *capsule = maker ? PyCapsule_New(maker, CAPSULE, forget_capsule) : NULL;
    if (maker && !capsule) forget(maker);
    return capsule;
}

static PyMethodDef METHODS[] = {
    {"template", template, METH_VARARGS,
     "template(message_type, places, deciding, (database, collection, time), cases, records)\n--\n\n"
     "A template for `fill`: the NamedTuple of a message, the places (parent, name, BSON type or 0, optional), the number of the one\n"
     "that decides, those of what a message is about, the cases (its value, a place that has to be there or -1, how many messages there\n"
     "will be, steps (literal, number of a place, form), headers (a pair, or a name whose value is a text), what they take beside\n"
     "texts), and the records in Avro (kinds, literals), if there are any."},
    {"fill", (PyCFunction)(void (*)(void))fill, METH_FASTCALL,
     "fill(template, events, first, count, number, most, topic_of)\n--\n\n"
     "The messages of the `count` events from events[first] on, numbered from `number`, the bytes of their values, and whether the next\n"
     "one is too large: of as many events as are done at once, until there are `most` bytes, or up to the first that is better left to\n"
     "Python.\n"
     "`topic_of(operation, database, collection)` returns a topic, the most bytes that a message for it may have, and what stands in\n"
     "front of key and value."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "watcher.messages.serializations._bson_json", "Batches of messages in JSON.", 0, METHODS, NULL, NULL, NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__bson_json(void) {
    /* Only once, as a thread may be in the middle of a table. */
    if (secret[1] || !getentropy(secret, sizeof secret)) return PyModuleDef_Init(&MODULE);
    PyErr_SetString(PyExc_ImportError, "the system gives no random numbers");
    return NULL;
}
