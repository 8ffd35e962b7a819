/* A template, and what Python has to do with it, out of the tuples that `template.py` makes. */
#ifndef WATCHER_MAKER_H
#define WATCHER_MAKER_H

#include <Python.h>

#include "template.h"

/* Headers are a tuple: of each header the pair of name and value, or the name alone if its value is the next of the further texts.
 * `header_bytes` is what they take beside those texts. */
typedef struct {
    PyObject *operation, *headers;
    Py_ssize_t header_bytes;
} MadeCase;

typedef struct {
    PyObject *source;       /* the tuple it was made of, which holds all names, literals and headers */
    PyObject *message_type; /* a NamedTuple */
    MadeCase cases[MOST_CASES];
    newfunc make_tuple;
    Template template;
} Maker;

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
    if (step->form < 0 || step->form > (DIALECT | IN_STRING | SPACED | KIND | COMMAS)) return refuse("there is no such form");
    if (step->value == NUMBER && step->form && step->form != ALL_DIGITS) return refuse("a number has few digits, or all");
    *texts += step->value == END_OF_TEXT;
    one->count++;
    return 1;
}

/* Counts the texts that headers have beside key and value. */
static int take_headers(const MadeCase *made, int *texts) {
    if (!PyTuple_Check(made->headers)) return refuse("headers are a tuple");
    for (Py_ssize_t i = 0; i < PyTuple_Size(made->headers); i++) {
        PyObject *header = PyTuple_GetItem(made->headers, i);
        if (!PyTuple_Check(header) && !PyUnicode_Check(header)) return refuse("a header is a pair or a name");
        *texts += PyUnicode_Check(header);
    }
    return 1;
}

static int take_case(Maker *maker, PyObject *source) {
    Template *template = &maker->template;
    PyObject *steps;
    Py_ssize_t length;
    int texts = 0;
    Case *one = &template->cases[template->case_count];
    MadeCase *made = &maker->cases[template->case_count];
    if (template->case_count == MOST_CASES || !PyTuple_Check(source)) return refuse("too many cases, or one that is no tuple");
    if (!PyArg_ParseTuple(
            source, "UiiOOn", &made->operation, &one->condition, &one->messages, &steps, &made->headers, &made->header_bytes))
        return 0;
    one->texts = 2;
    if (!take_headers(made, &one->texts)) return 0;
    if (one->condition < NO_PLACE || one->condition >= template->place_count) return refuse("there is no such place");
    if (one->messages < 1) return refuse("each event has a message");
    if (!(one->text = PyUnicode_AsUTF8AndSize(made->operation, &length)) || !PyTuple_Check(steps)) return refuse("steps are a tuple");
    one->length = (size_t)length;
    if (!(one->steps = PyMem_Calloc((size_t)PyTuple_Size(steps) + 1, sizeof *one->steps))) return refuse("no memory");
    template->case_count++;
    for (Py_ssize_t i = 0; i < PyTuple_Size(steps); i++)
        if (!take_step(template, one, PyTuple_GetItem(steps, i), &texts)) return 0;
    if (one->texts > MOST_TEXTS) return refuse("too many headers");
    return texts == one->texts || refuse("a key, a value and the texts of headers, and nothing else");
}

static int take_record(Maker *maker, PyObject *source) {
    Template *template = &maker->template;
    PyObject *kinds, *literals;
    Record *record = &template->records[template->record_count];
    if (template->record_count == MOST_RECORDS || !PyTuple_Check(source)) return refuse("too many records, or one that is no tuple");
    if (!PyArg_ParseTuple(source, "OO", &kinds, &literals) || !take_bytes(kinds, &record->kinds, &record->count)) return 0;
    if (!PyTuple_Check(literals) || (size_t)PyTuple_Size(literals) != record->count + 1)
        return refuse("literals are before, between and behind columns");
    if (!(record->literals = PyMem_Calloc(record->count + 1, sizeof *record->literals))) return refuse("no memory");
    template->record_count++;
    for (size_t i = 0; i <= record->count; i++)
        if (!take_bytes(PyTuple_GetItem(literals, (Py_ssize_t)i), &record->literals[i].bytes, &record->literals[i].length)) return 0;
    return 1;
}

static int check_place(const Template *template, int number, int type) {
    if (number < 0 || number >= template->place_count) return refuse("there is no such place");
    const Place *place = &template->places[number];
    return (place->type == type && !place->is_optional) || refuse("what decides and what is told is always there, and of its type");
}

static int check_places(const Template *template) {
    return check_place(template, template->deciding, STRING) && check_place(template, template->database, STRING) &&
        check_place(template, template->collection, STRING) && check_place(template, template->time, DATE);
}

static int take_all(Maker *maker, PyObject *source, int (*take)(Maker *, PyObject *)) {
    if (!PyTuple_Check(source)) return refuse("places, cases and records are tuples");
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
    for (int i = 0; i < maker->template.record_count; i++) PyMem_Free(maker->template.records[i].literals);
    Py_DecRef(maker->source);
    PyMem_Free(maker);
}

static Maker *new_maker(PyObject *arguments) {
    PyObject *places, *cases, *records;
    Maker *maker = PyMem_Calloc(1, sizeof *maker);
    if (!maker) return (Maker *)PyErr_NoMemory();
    Template *made = &maker->template;
    Py_IncRef(arguments);
    maker->source = arguments;
    if (PyArg_ParseTuple(
            arguments, "OOi(iii)OO", &maker->message_type, &places, &made->deciding, &made->database, &made->collection, &made->time,
            &cases, &records) &&
        take_type(maker) && take_all(maker, places, take_place) && take_all(maker, cases, take_case) &&
        take_all(maker, records, take_record) && check_places(made))
        return maker;
    forget(maker);
    return NULL;
}

#endif
