/* The part of `writer.py` that is done for each message: the same calls of librdkafka's client at a third of the cost around them.
 *
 * `enqueue` there is the definition. References are counted by functions of the interpreter that runs this, and no format has a `#`, for
 * the reasons in `_bson_json.c`.
 */
#include <Python.h>

enum { TOPIC, KEY, VALUE, TIMESTAMP_MS, OPERATION, PARTITION, REASON, HEADERS, HEADER_BYTES, DATABASE, FIELDS }; /* of a Message */

enum { RECORD_BYTES = 64 /* as in writer.py */, TURN = 1000 /* messages, which take as long as a thread's turn (`overlap.py`) */ };

typedef struct {
    PyObject *producer, *produce, *on_delivery;
} Target;

/* The bytes of a key or value, which may be None; -1 with an exception. */
static Py_ssize_t size_of(PyObject *bytes) { return bytes == Py_None ? 0 : PyBytes_Size(bytes); }

/* What a message takes in a request; -1 with an exception. */
static Py_ssize_t size_in_request(PyObject *message) {
    if (!PyTuple_Check(message) || PyTuple_Size(message) != FIELDS) {
        PyErr_SetString(PyExc_TypeError, "a Message is wanted");
        return -1;
    }
    Py_ssize_t key = size_of(PyTuple_GetItem(message, KEY)), value = key < 0 ? -1 : size_of(PyTuple_GetItem(message, VALUE));
    Py_ssize_t headers = value < 0 ? -1 : PyLong_AsSsize_t(PyTuple_GetItem(message, HEADER_BYTES));
    if (headers < 0 && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "headers of a negative size");
    return headers < 0 ? -1 : key + value + headers + RECORD_BYTES;
}

/* Lets librdkafka send something, when its queue is full; 0 with an exception. */
static int make_room(const Target *target) {
    if (!PyErr_ExceptionMatches(PyExc_BufferError)) return 0;
    PyErr_Clear();
    PyObject *result = PyObject_CallMethod(target->producer, "poll", "d", 0.1);
    Py_DecRef(result);
    return result != NULL;
}

static int hand_over(const Target *target, PyObject *message) {
    PyObject *arguments = PyTuple_Pack(
        8, PyTuple_GetItem(message, TOPIC), PyTuple_GetItem(message, VALUE), PyTuple_GetItem(message, KEY),
        PyTuple_GetItem(message, PARTITION), target->on_delivery, Py_None, PyTuple_GetItem(message, TIMESTAMP_MS),
        PyTuple_GetItem(message, HEADERS));
    PyObject *result = NULL;
    while (arguments && !(result = PyObject_Call(target->produce, arguments, NULL)) && make_room(target)) continue;
    Py_DecRef(arguments);
    Py_DecRef(result);
    return result != NULL;
}

/* Returns the number of the message that does not fit any more, or of all; -1 with an exception. */
static Py_ssize_t fill_request(const Target *target, PyObject *messages, Py_ssize_t first, Py_ssize_t size) {
    Py_ssize_t count = PySequence_Size(messages), number = first;
    for (Py_ssize_t filled = 0; number < count; number++) {
        PyObject *message = PySequence_GetItem(messages, number);
        Py_ssize_t more = message ? size_in_request(message) : -1;
        int is_done = more < 0 || (filled + more > size && number > first), is_good = more >= 0;
        filled += more;
        if (!is_done) is_good = hand_over(target, message);
        Py_DecRef(message);
        if (!is_good) return -1;
        if (is_done) break;
        if (number % TURN == TURN - 1) PyEval_RestoreThread(PyEval_SaveThread()); /* those who wait for the lock get it */
    }
    return count < 0 ? -1 : number;
}

static PyObject *enqueue(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (count != 5) {
        PyErr_SetString(PyExc_TypeError, "enqueue() takes 5 arguments");
        return NULL;
    }
    Py_ssize_t first = PyLong_AsSsize_t(arguments[2]), size = PyLong_AsSsize_t(arguments[3]);
    if (PyErr_Occurred()) return NULL;
    Target target = {arguments[0], PyObject_GetAttrString(arguments[0], "produce"), arguments[4]};
    Py_ssize_t next = target.produce ? fill_request(&target, arguments[1], first, size) : -1;
    Py_DecRef(target.produce);
    return next < 0 ? NULL : PyLong_FromSsize_t(next);
}

static PyMethodDef METHODS[] = {
    {"enqueue", (PyCFunction)(void (*)(void))enqueue, METH_FASTCALL,
     "enqueue(producer, messages, first, size, on_delivery)\n--\n\nAs `writer.enqueue`."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "watcher.kafka.transactions._enqueue", "Messages, handed to librdkafka.", 0, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__enqueue(void) { return PyModuleDef_Init(&MODULE); }
