/* Makes the messages of a batch of events in one call: BSON values as JSON, straight into templates, without Python's objects.
 *
 * Decoding an event into Python's objects and writing those as JSON takes 7 us for a small one; this takes 0.8 us, in which other threads
 * have the interpreter. A template comes from Python (`template.py`): it says where the values are in an event, and what stands around
 * them in a message. This can write the values that nearly all events are made of. At the first event that it cannot write it stops:
 * unusual BSON types, damaged or ambiguous BSON (a key that comes twice), values that need Python's care. Then Python does it, which is
 * the definition of the format; whatever this makes is the same to the byte (tests/unit/test_native_json.py). So nothing here ever raises
 * for an event's sake.
 *
 * First all texts are written without the interpreter's lock (`native/`), however large the events are and in time linear in their size;
 * then the messages are made of them, with the lock. The events are bytes objects, which nobody can change, and they are held meanwhile.
 *
 * References are counted by functions of the interpreter that runs this, never by its headers' macros. One build serves all Pythons,
 * and the headers differ: to those of 3.12 and later None is immortal, so Py_RETURN_NONE counts nothing, while 3.11 counts it. Nor are
 * arguments parsed by formats with `#`: compiled with the headers of 3.13, they fail on earlier Pythons.
 */
#include <Python.h>
#include <sys/random.h>
#include <unistd.h>

#include "native/batch.h"

enum {
    MOST_EVENTS = 1024,
    MOST_BYTES = 512 * 1024,  /* of a call's events, but one comes always: so their texts are still in the processor's cache when the */
                              /* messages are made of them */
    UNLOCKED_BYTES = 4096,    /* below that the lock is kept: to have it back takes longer than the work */
    LARGE_BYTES = 65536,      /* a text that is copied without the lock */
};

enum { TOPIC, KEY, VALUE, TIMESTAMP_MS, OPERATION, PARTITION, REASON, HEADERS, HEADER_BYTES, FIELDS }; /* of a Message */

typedef struct {
    PyObject *source;                 /* the tuple it was made of, which holds all names and literals */
    PyObject *message_type;           /* a NamedTuple */
    PyObject *operations[MOST_CASES]; /* the names of the cases */
    newfunc make_tuple;
    Template template;
} Maker;

static const char CAPSULE[] = "template";

/* ---- messages ------------------------------------------------------------------------------------------------------------------- */

/* What Python has of an event: its bytes, and if it is the first of its route, where that one's messages go. */
typedef struct {
    PyObject *bytes, *topic;
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

/* What a function of Python's gives: 1, 0 when the event is better left to Python, -1 with an exception. */
typedef enum { FAILED = -1, LEFT = 0, DONE = 1 } Outcome;

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
    PyObject *database = NULL, *collection = NULL;
    Outcome outcome = take_string(&first->database, &database);
    if (outcome == DONE) outcome = take_string(&first->collection, &collection);
    if (outcome == DONE) {
        PyObject *arguments = Py_BuildValue("(OOO)", operation_of(maker, first), database, collection);
        outcome = call(topic_of, arguments, &batch->held[route].topic, &batch->held[route].limit);
    }
    Py_DecRef(database);
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
    if (size > route->limit) return LEFT;
    int complete = put_into(fields, TOPIC, shared(route->topic)) && put_into(fields, KEY, as_bytes(key, key_size(event))) &&
        put_into(fields, VALUE, value_size(event) ? as_bytes(value, value_size(event)) : shared(Py_None)) &&
        /* The nearest time that a record can have, as Kafka takes no negative ones. */
        put_into(fields, TIMESTAMP_MS, PyLong_FromLongLong(event->time_ms > 0 ? event->time_ms : 0)) &&
        put_into(fields, OPERATION, shared(operation_of(maker, event)));
    return complete ? DONE : FAILED;
}

/* Makes the messages of the `count` events that were written, up to the first that has to be left; returns how many bytes their values
 * have, -1 with an exception. `arguments` are those of tuple.__new__: the fields, which are used for each message anew. */
static Py_ssize_t make_messages(
    const Maker *maker, Batch *batch, int count, PyObject *topic_of, PyObject *headers_of, PyObject *arguments,
    PyObject *messages) {
    PyObject *fields = PyTuple_GetItem(arguments, 0);
    Py_ssize_t size = 0;
    for (int i = 0; i < count; i++) {
        const Event *event = &batch->events[i];
        Outcome outcome = batch->held[event->route].topic ? DONE : find_topic(maker, batch, event->route, topic_of);
        if (outcome == DONE) outcome = put_fields(fields, maker, batch, event, headers_of);
        if (outcome == LEFT) break;
        PyObject *message = outcome == DONE ? maker->make_tuple((PyTypeObject *)maker->message_type, arguments, NULL) : NULL;
        if (message) PyObject_GC_UnTrack(message); /* no cycle goes through it: the collector would look at each of them in vain */
        if (!message || PyList_Append(messages, message)) size = -1;
        Py_DecRef(message);
        if (size < 0) break;
        size += (Py_ssize_t)value_size(event);
    }
    return size;
}

/* What all messages have in common, and room for the rest. */
static PyObject *new_arguments(void) {
    PyObject *fields = PyTuple_New(FIELDS);
    int complete = fields != NULL;
    for (Py_ssize_t i = 0; complete && i < FIELDS; i++)
        complete = put_into(
            fields, i,
            i == PARTITION ? PyLong_FromLong(-1) : i == REASON ? PyUnicode_FromString("") : i == HEADER_BYTES ? PyLong_FromLong(0) :
            shared(Py_None));
    if (complete) return Py_BuildValue("(N)", fields);
    Py_DecRef(fields);
    return NULL;
}

/* ---- the batch ------------------------------------------------------------------------------------------------------------------- */

static void forget_batch(Batch *batch) {
    for (int i = 0; i < batch->count; i++) {
        Py_DecRef(batch->held[i].bytes);
        Py_DecRef(batch->held[i].topic);
    }
    PyMem_Free(batch->held);
    PyMem_Free(batch->events);
    free(batch->text.start);
}

/* Holds the events from `first` on that are done in this call: `count` of them at most. */
static int hold(Batch *batch, PyObject *events, Py_ssize_t first, Py_ssize_t count) {
    if (first < 0 || count < 0) count = 0;
    if (count > MOST_EVENTS) count = MOST_EVENTS;
    batch->held = PyMem_Malloc((size_t)count * sizeof *batch->held);
    batch->events = PyMem_Malloc((size_t)count * sizeof *batch->events);
    if (!batch->held || !batch->events) return !PyErr_NoMemory();
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
        batch->held[batch->count++] = (Held){bytes, NULL, 0};
        batch->bytes += (size_t)length;
    }
    return 1;
}

static int write_unlocked(const Maker *maker, Batch *batch, int64_t number, size_t most) {
    const Template *template = &maker->template;
    if (batch->bytes < UNLOCKED_BYTES)
        return write_batch(template, batch->events, batch->count, number, most, &batch->text);
    PyThreadState *state = PyEval_SaveThread();
    int count = write_batch(template, batch->events, batch->count, number, most, &batch->text);
    PyEval_RestoreThread(state);
    return count;
}

static PyObject *filled(
    const Maker *maker, Batch *batch, int64_t number, Py_ssize_t most, PyObject *topic_of, PyObject *headers_of) {
    size_t room = batch->bytes + batch->bytes / 2 + 512;
    if (!(batch->text.start = malloc(room))) return PyErr_NoMemory();
    batch->text.end = batch->text.start;
    batch->text.limit = batch->text.start + room;
    int count = write_unlocked(maker, batch, number, most > 0 ? (size_t)most : 0);
    PyObject *messages = PyList_New(0), *arguments = new_arguments(), *result = NULL;
    if (messages && arguments) {
        Py_ssize_t size = make_messages(maker, batch, count, topic_of, headers_of, arguments, messages);
        if (size >= 0) result = Py_BuildValue("(On)", messages, size);
    }
    Py_DecRef(messages);
    Py_DecRef(arguments);
    return result;
}

static PyObject *fill(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (count != 8) {
        PyErr_SetString(PyExc_TypeError, "fill() takes 8 arguments");
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
        return Py_BuildValue("([]i)", 0);
    }
    PyObject *headers_of = arguments[7] == Py_None ? NULL : arguments[7];
    if (headers_of && maker->template.id == NO_PLACE) {
        PyErr_SetString(PyExc_ValueError, "without a place for the id there are no headers");
        return NULL;
    }
    Batch batch = {0};
    PyObject *result = NULL;
    if (hold(&batch, arguments[1], first, events)) result = filled(maker, &batch, number, most, arguments[6], headers_of);
    forget_batch(&batch);
    return result;
}

/* ---- making a template; what it is made of stays in `source` ------------------------------------------------------------------- */

static int refuse(const char *why) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, why);
    return 0;
}

static int take_bytes(PyObject *source, const char **bytes, size_t *length) {
    char *start;
    Py_ssize_t count;
    if (PyBytes_AsStringAndSize(source, &start, &count)) return 0;
    *bytes = start;
    *length = (size_t)count;
    return 1;
}

static int take_place(Maker *maker, PyObject *source) {
    Template *template = &maker->template;
    PyObject *name;
    int number = template->place_count;
    Place *place = &template->places[number];
    if (number == MOST_PLACES || !PyTuple_Check(source)) return refuse("too many places, or one that is no tuple");
    if (!PyArg_ParseTuple(source, "iOip", &place->parent, &name, &place->type, &place->is_optional)) return 0;
    if (!take_bytes(name, &place->name, &place->length)) return 0;
    template->place_count++;
    if (place->parent == OUTERMOST) {
        if (template->outermost_count++ != number) return refuse("the event's own fields come first");
        return 1;
    }
    if (place->parent < 0 || place->parent >= number) return refuse("a parent comes before its fields");
    const Place *parent = &template->places[place->parent];
    return (parent->type == DOCUMENT && place->is_optional >= parent->is_optional) ||
        refuse("a parent is a document, and always there if its field is");
}

static int take_step(const Template *template, Case *one, PyObject *source, int *texts) {
    PyObject *literal;
    Step *step = &one->steps[one->count];
    if (!PyTuple_Check(source)) return refuse("a step is a tuple");
    if (!PyArg_ParseTuple(source, "Oii", &literal, &step->value, &step->form) || !take_bytes(literal, &step->literal, &step->length)) return 0;
    if (step->value < END_OF_TEXT || step->value >= template->place_count) return refuse("there is no such place");
    if (step->form < 0 || step->form > (DIALECT | IN_STRING | SPACED | KIND)) return refuse("there is no such form");
    *texts += step->value == END_OF_TEXT;
    one->count++;
    return 1;
}

static int take_case(Maker *maker, PyObject *source) {
    Template *template = &maker->template;
    PyObject *name, *steps;
    Py_ssize_t length;
    int texts = 0;
    Case *one = &template->cases[template->case_count];
    if (template->case_count == MOST_CASES || !PyTuple_Check(source)) return refuse("too many cases, or one that is no tuple");
    if (!PyArg_ParseTuple(source, "UiiO", &name, &one->condition, &one->messages, &steps)) return 0;
    if (one->condition < NO_PLACE || one->condition >= template->place_count) return refuse("there is no such place");
    if (one->messages < 1) return refuse("each event has a message");
    if (!(one->text = PyUnicode_AsUTF8AndSize(name, &length)) || !PyTuple_Check(steps)) return refuse("steps are a tuple");
    one->length = (size_t)length;
    if (!(one->steps = PyMem_Calloc((size_t)PyTuple_Size(steps) + 1, sizeof *one->steps))) return refuse("no memory");
    maker->operations[template->case_count++] = name;
    for (Py_ssize_t i = 0; i < PyTuple_Size(steps); i++)
        if (!take_step(template, one, PyTuple_GetItem(steps, i), &texts)) return 0;
    return texts == 2 || refuse("a key and a value, and nothing else");
}

static int check_place(const Template *template, int number, int type) {
    if (number < 0 || number >= template->place_count) return refuse("there is no such place");
    const Place *place = &template->places[number];
    return (place->type == type && !place->is_optional) || refuse("what decides and what is told is always there, and of its type");
}

static int check_places(const Template *template) {
    return check_place(template, template->deciding, STRING) && check_place(template, template->database, STRING) &&
        check_place(template, template->collection, STRING) && check_place(template, template->time, DATE) &&
        (template->id == NO_PLACE || check_place(template, template->id, STRING));
}

static int take_all(Maker *maker, PyObject *source, int (*take)(Maker *, PyObject *)) {
    if (!PyTuple_Check(source)) return refuse("places and cases are tuples");
    for (Py_ssize_t i = 0; i < PyTuple_Size(source); i++)
        if (!take(maker, PyTuple_GetItem(source, i))) return 0;
    return 1;
}

/* A subclass of tuple: `tuple.__new__` makes its instances, as NamedTuple's own function does, which is one of Python's. */
static int take_type(Maker *maker) {
    if (!PyType_Check(maker->message_type) || !PyType_IsSubtype((PyTypeObject *)maker->message_type, &PyTuple_Type))
        return refuse("a message is a tuple");
    maker->make_tuple = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    return maker->make_tuple != NULL;
}

static void forget(Maker *maker) {
    for (int i = 0; i < maker->template.case_count; i++) PyMem_Free(maker->template.cases[i].steps);
    Py_DecRef(maker->source);
    PyMem_Free(maker);
}

static void forget_capsule(PyObject *capsule) { forget(PyCapsule_GetPointer(capsule, CAPSULE)); }

static PyObject *template(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *places, *cases, *capsule = NULL;
    Maker *maker = PyMem_Calloc(1, sizeof *maker);
    if (!maker) return PyErr_NoMemory();
    Template *made = &maker->template;
    Py_IncRef(arguments);
    maker->source = arguments;
    if (PyArg_ParseTuple(
            arguments, "OOi(iiii)O", &maker->message_type, &places, &made->deciding, &made->database, &made->collection, &made->time,
            &made->id, &cases) &&
        take_type(maker) && take_all(maker, places, take_place) && take_all(maker, cases, take_case) && check_places(made))
        capsule = PyCapsule_New(maker, CAPSULE, forget_capsule);
    if (!capsule) forget(maker);
    return capsule;
}

static PyMethodDef METHODS[] = {
    {"template", template, METH_VARARGS,
     "template(message_type, places, deciding, (database, collection, time, id), cases)\n--\n\n"
     "A template for `fill`: the NamedTuple of a message, the places (parent, name, BSON type or 0, optional), the number of the one\n"
     "that decides, those of what a message is about (the last may be -1), and the cases (its value, a place that has to be there or\n"
     "-1, how many messages there will be, steps (literal, number of a place, form))."},
    {"fill", (PyCFunction)(void (*)(void))fill, METH_FASTCALL,
     "fill(template, events, first, count, number, most, topic_of, headers_of)\n--\n\n"
     "The messages of the `count` events from events[first] on, numbered from `number`, and the bytes of their values: of as many events\n"
     "as are done at once, until there are `most` bytes, or up to the first that is better left to Python.\n"
     "`topic_of(operation, database, collection)` returns a topic and the most bytes that a message for it may have;\n"
     "`headers_of(operation, number, id, time)`, or None, the headers and their bytes."},
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
