/* The parts of `bson_elements.py` and `snapshot/rows.py` that are done for each document: the same bytes at a fraction of the cost.
 *
 * What is unusual is left to Python, the definition: then a function returns None. References are counted by functions of the
 * interpreter that runs this, and no format has a `#`, for the reasons in `_bson_json.c`. All lengths are checked before anything is read.
 */
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum {
    DOUBLE = 0x01, STRING = 0x02, DOCUMENT = 0x03, BINARY = 0x05, OBJECT_ID = 0x07, DATE = 0x09, INT32 = 0x10, TIMESTAMP = 0x11,
    INT64 = 0x12,
};

enum { LENGTH = 4 /* bytes of the length with which a document, a string and others begin */ };

typedef struct {
    const char *start;
    Py_ssize_t length;
} Bytes;

static PyObject *left_to_python(void) {
    Py_IncRef(Py_None);
    return Py_None;
}

static int take_bytes(PyObject *object, Bytes *bytes) {
    char *start;
    if (PyBytes_AsStringAndSize(object, &start, &bytes->length)) return 0;
    bytes->start = start;
    return 1;
}

/* Takes the reference to the item over. */
static int append(PyObject *list, PyObject *item) {
    int failed = !item || PyList_Append(list, item);
    Py_DecRef(item);
    return !failed;
}

static Py_ssize_t read_length(const char *at) {
    const unsigned char *bytes = (const unsigned char *)at;
    return (int32_t)(bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
}

/* The length at `at` of a document that ends before `end`; 0 when there is none. */
static Py_ssize_t length_at(const char *at, const char *end) {
    Py_ssize_t length = end - at < LENGTH + 1 ? 0 : read_length(at);
    return length > LENGTH && length <= end - at ? length : 0;
}

/* ---- documents in an array ------------------------------------------------------------------------------------------------------- */

/* The next document of an array, of which `*at` moves on; 0 at its end and where there is something else. */
static int next_document(const char **at, const char *end, Bytes *document) {
    if (*at >= end || **at != DOCUMENT) return 0;
    const char *zero = memchr(*at, 0, (size_t)(end - *at));
    if (!zero || !(document->length = length_at(zero + 1, end))) return 0;
    document->start = zero + 1;
    *at = zero + 1 + document->length;
    return 1;
}

static PyObject *documents(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    Bytes data, document;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "documents() takes bytes and a place in them");
        return NULL;
    }
    Py_ssize_t place = PyLong_AsSsize_t(arguments[1]);
    if (PyErr_Occurred() || !take_bytes(arguments[0], &data)) return NULL;
    if (place < 0 || place > data.length) return left_to_python();
    const char *at = data.start + place, *end = at + length_at(at, data.start + data.length);
    if (at == end) return left_to_python();
    at += LENGTH;
    PyObject *list = PyList_New(0);
    while (list && next_document(&at, end, &document))
        if (!append(list, PyBytes_FromStringAndSize(document.start, document.length))) {
            Py_DecRef(list);
            return NULL;
        }
    if (!list || (at == end - 1 && !*at)) return list;
    Py_DecRef(list);
    return left_to_python();
}

/* ---- documents with a mark --------------------------------------------------------------------------------------------------------- */

/* Whether `mark` follows a document's first element, which is a document. */
static int has_mark(const Bytes *document, const Bytes *mark) {
    const char *end = document->start + document->length, *at = document->start + LENGTH;
    const char *zero = document->length > LENGTH ? memchr(at, 0, (size_t)(end - at)) : NULL;
    if (!zero) return 0;
    at = zero + 1 + length_at(zero + 1, end);
    return end - at >= mark->length && !memcmp(at, mark->start, (size_t)mark->length);
}

static PyObject *any_has(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    Bytes document, mark;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "any_has() takes documents and a mark");
        return NULL;
    }
    Py_ssize_t size = PySequence_Size(arguments[0]);
    if (size < 0 || !take_bytes(arguments[1], &mark)) return NULL;
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *item = PySequence_GetItem(arguments[0], i);
        int found = item && take_bytes(item, &document) ? has_mark(&document, &mark) : -1;
        Py_DecRef(item);
        if (found < 0) return NULL;
        if (found) return PyBool_FromLong(1);
    }
    return PyBool_FromLong(0);
}

/* ---- change events of rows --------------------------------------------------------------------------------------------------------- */

static const char ID_NAME[] = "_id", ID_FIELD[] = "\3_id", DATA_FIELD[] = "\2_data", KEY_FIELD[] = "\3documentKey";
enum { MOST_DIGITS = 20 };

static char *put(char *to, const void *from, size_t count) {
    memcpy(to, from, count);
    return to + count;
}

static char *put_length(char *to, Py_ssize_t length) {
    uint32_t rest = (uint32_t)length;
    for (int i = 0; i < LENGTH; i++, rest >>= 8) *to++ = (char)(rest & 0xFF);
    return to;
}

/* The bytes of a value of a common type for an `_id`; 0 for others, and for what goes beyond `end`. */
static Py_ssize_t id_length(int type, const char *at, const char *end) {
    Py_ssize_t length;
    switch (type) {
    case OBJECT_ID: length = 12; break;
    case INT32: length = 4; break;
    case DOUBLE: case DATE: case TIMESTAMP: case INT64: length = 8; break;
    case DOCUMENT: return length_at(at, end);
    case STRING: case BINARY: /* the length counts neither itself nor a binary's subtype */
        length = end - at > LENGTH ? read_length(at) : -1;
        if (length < 0) return 0;
        length += LENGTH + (type == BINARY);
        break;
    default: return 0;
    }
    return length <= end - at ? length : 0;
}

/* The element `_id` of a document, if it is the first one. */
static int find_id(const Bytes *row, Bytes *element) {
    const char *at = row->start + LENGTH, *end = row->start + row->length - 1, *value = at + 1 + sizeof ID_NAME;
    if (row->length <= LENGTH || end - at < (Py_ssize_t)(1 + sizeof ID_NAME) || memcmp(at + 1, ID_NAME, sizeof ID_NAME)) return 0;
    Py_ssize_t length = id_length(*at, value, end);
    *element = (Bytes){at, value + length - at};
    return length > 0;
}

/* What all events of a chunk share: their ids up to the number, and what stands between number, key, row and end. */
typedef struct {
    Bytes id, before_key, before_row, tail;
} Frame;

static PyObject *row_event(const Frame *frame, const Bytes *row, const Bytes *id, const char *digits, size_t digit_count) {
    Py_ssize_t text = frame->id.length + (Py_ssize_t)digit_count, key = LENGTH + id->length + 1;
    Py_ssize_t id_size = LENGTH + (Py_ssize_t)sizeof DATA_FIELD + LENGTH + text + 2;
    Py_ssize_t size = LENGTH + (Py_ssize_t)sizeof ID_FIELD + id_size + frame->before_key.length + (Py_ssize_t)sizeof KEY_FIELD + key +
        frame->before_row.length + row->length + frame->tail.length;
    if (size > INT32_MAX) return PyErr_NoMemory();
    PyObject *event = PyBytes_FromStringAndSize(NULL, size);
    if (!event) return NULL;
    char *to = put_length(PyBytes_AsString(event), size);
    to = put_length(put(to, ID_FIELD, sizeof ID_FIELD), id_size);
    to = put_length(put(to, DATA_FIELD, sizeof DATA_FIELD), text + 1);
    to = put(put(put(to, frame->id.start, (size_t)frame->id.length), digits, digit_count), "\0", 2);
    to = put(put(to, frame->before_key.start, (size_t)frame->before_key.length), KEY_FIELD, sizeof KEY_FIELD);
    to = put(put(put_length(to, key), id->start, (size_t)id->length), "", 1);
    to = put(put(to, frame->before_row.start, (size_t)frame->before_row.length), row->start, (size_t)row->length);
    put(to, frame->tail.start, (size_t)frame->tail.length);
    return event;
}

static int append_row_event(PyObject *events, const Frame *frame, PyObject *item, uint64_t number) {
    char digits[MOST_DIGITS], *first = digits + sizeof digits;
    Bytes row, id;
    if (!item || !take_bytes(item, &row)) return -1;
    if (!find_id(&row, &id)) return 0;
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return append(events, row_event(frame, &row, &id, first, (size_t)(digits + sizeof digits - first))) ? 1 : -1;
}

static PyObject *row_events(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    Frame frame;
    if (count != 6) {
        PyErr_SetString(PyExc_TypeError, "row_events() takes 6 arguments");
        return NULL;
    }
    Py_ssize_t size = PySequence_Size(arguments[0]);
    uint64_t number = PyLong_AsUnsignedLongLong(arguments[1]);
    if (PyErr_Occurred() || !take_bytes(arguments[2], &frame.id) || !take_bytes(arguments[3], &frame.before_key) ||
        !take_bytes(arguments[4], &frame.before_row) || !take_bytes(arguments[5], &frame.tail))
        return NULL;
    PyObject *events = PyList_New(0);
    int outcome = events ? 1 : -1;
    for (Py_ssize_t i = 0; outcome > 0 && i < size; i++) {
        PyObject *item = PySequence_GetItem(arguments[0], i);
        outcome = append_row_event(events, &frame, item, number + (uint64_t)i);
        Py_DecRef(item);
    }
    if (outcome > 0) return events;
    Py_DecRef(events);
    return outcome < 0 ? NULL : left_to_python();
}

static PyMethodDef METHODS[] = {
    {"documents", (PyCFunction)(void (*)(void))documents, METH_FASTCALL,
     "documents(data, at)\n--\n\nThe elements of the array at `at`, all of them documents, or None."},
    {"any_has", (PyCFunction)(void (*)(void))any_has, METH_FASTCALL,
     "any_has(documents, mark)\n--\n\nWhether `mark` follows the first element of one of them, which is a document."},
    {"row_events", (PyCFunction)(void (*)(void))row_events, METH_FASTCALL,
     "row_events(documents, first, id, before_key, before_row, tail)\n--\n\n"
     "Change events of documents, numbered from `first`, or None. Their ids begin with `id`; what is between them is BSON."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "watcher._bson_elements", "Documents of BSON, taken apart and put together.", 0, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__bson_elements(void) { return PyModuleDef_Init(&MODULE); }
