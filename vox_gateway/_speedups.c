/* The functions of this package that cost the most for each event, in C.
 *
 * Each does what a function in Python does, which is the reference and words every error. Where a function here is not
 * sure, it leaves the work to Python: `dispatch_usual` returns the event to the loop that it is a part of, the others
 * return NotImplemented, and `extension.accelerated` calls the Python one. The only exceptions raised here are
 * MemoryError, what comes out of functions that `dispatch_usual` calls, and TypeError if its own arguments are wrong.
 *
 * All input comes from a network: no length is believed before it is compared with what is left. Nothing is kept
 * between two calls but the names of attributes, which never change, so any number of threads and interpreters may call
 * at the same time.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef const unsigned char *bytes;

/* Return to the Python function, unless memory ran out. */
static PyObject *
leave_to_python(void)
{
    if (PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_MemoryError))
            return NULL;
        PyErr_Clear();
    }
    Py_RETURN_NOTIMPLEMENTED;
}

/* Append a new reference, which is given up; false if that fails or there is none. */
static int
append(PyObject *list, PyObject *item)
{
    if (item == NULL)
        return 0;
    int failed = PyList_Append(list, item);
    Py_DECREF(item);
    return !failed;
}

static uint64_t
big_endian(bytes at, int size)
{
    uint64_t number = 0;
    for (int i = 0; i < size; i++)
        number = number << 8 | at[i];
    return number;
}

static PyObject *
text(bytes start, Py_ssize_t size, int is_latin)
{
    return is_latin ? PyUnicode_DecodeLatin1((const char *)start, size, NULL)
                    : PyUnicode_DecodeUTF8((const char *)start, size, NULL);
}

/* Return a text: the one in `known`, if it is the same. If it is ASCII, it is kept there. */
static PyObject *
known_text(PyObject **known, bytes start, Py_ssize_t size, int is_latin)
{
    if (*known == NULL || PyUnicode_GET_LENGTH(*known) != size ||
        memcmp(PyUnicode_1BYTE_DATA(*known), start, (size_t)size) != 0) {
        PyObject *other = text(start, size, is_latin);
        if (other == NULL || !PyUnicode_IS_ASCII(other))
            return other;
        Py_XSETREF(*known, other);
    }
    Py_INCREF(*known);
    return *known;
}

/* -- network.frames ---------------------------------------------------------------------------------------------- */

#define WHOLE_TEXT 0x81
#define WHOLE_BINARY 0x82

static PyObject *
whole_messages(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyBytes_CheckExact(args[0]))
        return leave_to_python();
    Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
    Py_ssize_t position = PyLong_AsSsize_t(args[1]), max_size = PyLong_AsSsize_t(args[2]);
    if (PyErr_Occurred() || position < 0 || position >= size || max_size < 0)
        return leave_to_python();
    bytes data = (bytes)PyBytes_AS_STRING(args[0]), at = data + position, end = data + size;
    int first = *at;
    PyObject *payloads = PyList_New(0);
    if (payloads == NULL)
        return NULL;
    while ((first == WHOLE_TEXT || first == WHOLE_BINARY) && end - at >= 2 && *at == first) {
        uint64_t length = at[1];
        bytes start = at + 2;
        if (length > 125) {
            int more = length == 126 ? 2 : 8;
            if (length > 127 || end - start < more)
                break;
            length = big_endian(start, more);
            start += more;
        }
        if (length > (uint64_t)max_size || length > (uint64_t)(end - start))
            break;
        if (!append(payloads, PyBytes_FromStringAndSize((const char *)start, (Py_ssize_t)length))) {
            Py_DECREF(payloads);
            return leave_to_python();
        }
        at = start + length;
    }
    return Py_BuildValue("Nn", payloads, (Py_ssize_t)(at - data));
}

/* -- encoding.raw_dispatch --------------------------------------------------------------------------------------- */

#define OPENING "{\"t\":"
#define BOUNDARY "}" OPENING
#define SEQ ",\"s\":"
#define DATA ",\"op\":0,\"d\":"
#define MAX_DIGITS 19 /* as in raw_dispatch.py */
#define LENGTH(text) ((Py_ssize_t)sizeof(text) - 1)
#define BEGINS_WITH(at, end, text) ((end) - (at) >= LENGTH(text) && memcmp(at, text, LENGTH(text)) == 0)

/* bytes looked at in one go: a loop of a fixed length without a branch, which compilers turn into vector code */
#define STRIDE 64

/* Return the position of a payload's last byte, where another begins; `end` if none does. */
static bytes
find_boundary(bytes at, bytes end)
{
    while (end - at > STRIDE) {
        unsigned char met = 0;
        for (int i = 0; i < STRIDE; i++)
            met |= (at[i] == '}') & (at[i + 1] == '{');
        if (met)
            for (int i = 0; i < STRIDE; i++)
                if (at[i] == '}' && BEGINS_WITH(at + i, end, BOUNDARY))
                    return at + i;
        at += STRIDE;
    }
    for (; at < end; at++)
        if (*at == '}' && BEGINS_WITH(at, end, BOUNDARY))
            return at;
    return end;
}

/* Whether the head of a dispatch holds its sequence number. */
static int
has_seq(bytes start, bytes end)
{
    bytes data = start;
    while (!BEGINS_WITH(data, end, DATA)) {
        data = memchr(data + 1, ',', end - data - 1);
        if (data == NULL)
            return 0;
    }
    bytes digits = data;
    while (digits > start && '0' <= digits[-1] && digits[-1] <= '9')
        digits--;
    return 0 < data - digits && data - digits <= MAX_DIGITS && digits - start >= LENGTH(SEQ) &&
           memcmp(digits - LENGTH(SEQ), SEQ, LENGTH(SEQ)) == 0;
}

static PyObject *
cut(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyBytes_CheckExact(args[0]))
        return leave_to_python();
    Py_ssize_t size = PyBytes_GET_SIZE(args[0]), wanted = PyLong_AsSsize_t(args[1]);
    if (PyErr_Occurred())
        return leave_to_python();
    bytes start = (bytes)PyBytes_AS_STRING(args[0]), end = start + size;
    if (!BEGINS_WITH(start, end, OPENING) || end[-1] != '}')
        Py_RETURN_NONE;
    PyObject *pieces = PyList_New(0);
    if (pieces == NULL)
        return NULL;
    while (1) {
        bytes stop = find_boundary(start, end);
        if (stop < end)
            stop++;
        bytes name = start + LENGTH(OPENING); /* "}" follows it at the latest */
        if (PyList_GET_SIZE(pieces) == wanted || name[0] != '"' || name[1] == 'R')
            break;
        if (!append(pieces, PyBytes_FromStringAndSize((const char *)start, stop - start)))
            break;
        if (stop == end) {
            if (PyList_GET_SIZE(pieces) != wanted || !has_seq(start, end))
                break;
            return pieces;
        }
        start = stop;
    }
    Py_DECREF(pieces);
    return leave_to_python(); /* the block holds something else, and comes seldom */
}

/* -- encoding.etf ------------------------------------------------------------------------------------------------ */

enum {
    NEW_FLOAT = 70,
    SMALL_INTEGER = 97,
    INTEGER = 98,
    ATOM = 100,
    SMALL_TUPLE = 104,
    LARGE_TUPLE = 105,
    NIL = 106,
    STRING = 107,
    LIST = 108,
    BINARY = 109,
    SMALL_BIG = 110,
    SMALL_ATOM = 115,
    MAP = 116,
    ATOM_UTF8 = 118,
    SMALL_ATOM_UTF8 = 119,
    VERSION = 131
};
#define MAX_DEPTH 256 /* as in etf.py */
#define KEYS 256

typedef struct {
    bytes at;
    bytes end;
    PyObject *id_lists;    /* names of lists of ids, besides those that end in "ids" */
    PyObject *keys[KEYS];  /* ASCII keys of this call: few differ, and most come again with the next payload */
} Input;

static PyObject *term(Input *in, int levels, PyObject *key);

/* Return where the next `size` bytes begin, and pass over them; NULL if there are fewer. */
static bytes
take(Input *in, uint64_t size)
{
    if (size > (uint64_t)(in->end - in->at))
        return NULL;
    bytes start = in->at;
    in->at += size;
    return start;
}

/* Read a length of `width` bytes; false if there are fewer. */
static int
take_length(Input *in, int width, uint64_t *length)
{
    bytes start = take(in, (uint64_t)width);
    if (start == NULL)
        return 0;
    *length = big_endian(start, width);
    return 1;
}

/* Return the content of a term that begins with its length, and that length; NULL if it is cut short. */
static bytes
take_content(Input *in, int width, Py_ssize_t *size)
{
    uint64_t length;
    if (!take_length(in, width, &length))
        return NULL;
    *size = (Py_ssize_t)length; /* at most 32 bits; where that is too much, `take` fails */
    return take(in, length);
}

/* How wide the length of a text is, by its tag; 0 if the tag is none of a text. */
static int
length_width(int tag)
{
    switch (tag) {
    case BINARY:
        return 4;
    case ATOM:
    case ATOM_UTF8:
        return 2;
    case SMALL_ATOM:
    case SMALL_ATOM_UTF8:
        return 1;
    default:
        return 0;
    }
}

static PyObject *
atom(Input *in, int tag)
{
    Py_ssize_t size;
    bytes name = take_content(in, length_width(tag), &size);
    if (name == NULL)
        return NULL;
    if ((size == 3 && memcmp(name, "nil", 3) == 0) || (size == 4 && memcmp(name, "null", 4) == 0))
        Py_RETURN_NONE;
    if (size == 4 && memcmp(name, "true", 4) == 0)
        Py_RETURN_TRUE;
    if (size == 5 && memcmp(name, "false", 5) == 0)
        Py_RETURN_FALSE;
    return text(name, size, tag == ATOM || tag == SMALL_ATOM);
}

static PyObject *
map_key(Input *in)
{
    bytes start = take(in, 1);
    if (start == NULL)
        return NULL;
    int tag = *start, width = length_width(tag);
    if (width == 0) {
        if (tag != SMALL_INTEGER && tag != INTEGER && tag != SMALL_BIG)
            return NULL;
        in->at = start;
        PyObject *number = term(in, 0, NULL);
        PyObject *digits = number == NULL ? NULL : PyObject_Str(number);
        Py_XDECREF(number);
        return digits;
    }
    Py_ssize_t size;
    bytes name = take_content(in, width, &size);
    if (name == NULL)
        return NULL;
    uint32_t hash = 2166136261u; /* FNV-1a; a collision costs no more than a new key */
    for (Py_ssize_t i = 0; i < size; i++)
        hash = (hash ^ name[i]) * 16777619u;
    return known_text(&in->keys[(hash ^ hash >> 16) % KEYS], name, size, tag == ATOM || tag == SMALL_ATOM);
}

/* Whether `key` ends in `suffix`, which is ASCII. */
static int
ends_with(PyObject *key, const char *suffix)
{
    Py_ssize_t size = (Py_ssize_t)strlen(suffix), start = PyUnicode_GET_LENGTH(key) - size;
    for (Py_ssize_t i = 0; i < size; i++)
        if (start < 0 || PyUnicode_READ_CHAR(key, start + i) != (Py_UCS4)suffix[i])
            return 0;
    return 1;
}

static PyObject *
decimal(uint64_t number)
{
    char digits[20], *start = digits + sizeof(digits);
    do
        *--start = (char)('0' + number % 10);
    while (number /= 10);
    return PyUnicode_DecodeLatin1(start, digits + sizeof(digits) - start, NULL);
}

static PyObject *
big(Input *in, PyObject *key)
{
    Py_ssize_t size;
    bytes head = take(in, 2);
    if (head == NULL || (size = head[0]) > 8)
        return NULL;
    int is_negative = head[1] != 0;
    bytes digits = take(in, (uint64_t)size);
    if (digits == NULL)
        return NULL;
    uint64_t number = 0;
    while (size > 0)
        number = number << 8 | digits[--size];
    if (!is_negative && key != NULL && ends_with(key, "id"))
        return decimal(number);
    PyObject *value = PyLong_FromUnsignedLongLong(number);
    if (value != NULL && is_negative)
        Py_SETREF(value, PyNumber_Negative(value));
    return value;
}

static PyObject *
sequence(Input *in, int width, int levels)
{
    uint64_t count;
    if (!take_length(in, width, &count) || levels == 0)
        return NULL;
    PyObject *values = PyList_New(0); /* grows with what has come, and not with what is announced */
    if (values == NULL || Py_EnterRecursiveCall(" in ETF")) {
        Py_XDECREF(values);
        return NULL;
    }
    while (count > 0 && append(values, term(in, levels - 1, NULL)))
        count--;
    Py_LeaveRecursiveCall();
    if (count > 0)
        Py_CLEAR(values);
    return values;
}

/* Make text of the integers in `values` if it is a list of ids by the name of its field; false if that fails. */
static int
name_ids(Input *in, PyObject *key, PyObject *values)
{
    if (PyList_GET_SIZE(values) == 0 || !PyLong_CheckExact(PyList_GET_ITEM(values, 0)))
        return 1;
    int has_ids = ends_with(key, "ids") ? 1 : PySet_Contains(in->id_lists, key);
    for (Py_ssize_t i = 0; has_ids > 0 && i < PyList_GET_SIZE(values); i++) {
        PyObject *value = PyList_GET_ITEM(values, i);
        if (PyLong_CheckExact(value) &&
            ((value = PyObject_Str(value)) == NULL || PyList_SetItem(values, i, value) < 0))
            return 0;
    }
    return has_ids >= 0;
}

static PyObject *
list(Input *in, int levels, PyObject *key)
{
    PyObject *values = sequence(in, 4, levels);
    if (values == NULL)
        return NULL;
    bytes tail = take(in, 1);
    if (tail == NULL || *tail != NIL || (key != NULL && !name_ids(in, key, values)))
        Py_CLEAR(values);
    return values;
}

static PyObject *
string(Input *in)
{
    Py_ssize_t size;
    bytes start = take_content(in, 2, &size);
    if (start == NULL)
        return NULL;
    PyObject *values = PyList_New(0);
    for (Py_ssize_t i = 0; values != NULL && i < size; i++)
        if (!append(values, PyLong_FromLong(start[i])))
            Py_CLEAR(values);
    return values;
}

static PyObject *
map(Input *in, int levels)
{
    uint64_t count;
    if (!take_length(in, 4, &count) || levels == 0)
        return NULL;
    PyObject *result = PyDict_New();
    if (result == NULL || Py_EnterRecursiveCall(" in ETF")) {
        Py_XDECREF(result);
        return NULL;
    }
    for (; count > 0; count--) {
        PyObject *key = map_key(in), *value = key == NULL ? NULL : term(in, levels - 1, key);
        int failed = value == NULL || PyDict_SetItem(result, key, value) < 0;
        Py_XDECREF(key);
        Py_XDECREF(value);
        if (failed)
            break;
    }
    Py_LeaveRecursiveCall();
    if (count > 0)
        Py_CLEAR(result);
    return result;
}

static PyObject *
new_float(Input *in)
{
    bytes start = take(in, 8);
    if (start == NULL)
        return NULL;
    uint64_t bits = big_endian(start, 8);
    double number;
    memcpy(&number, &bits, sizeof(number));
    return isfinite(number) ? PyFloat_FromDouble(number) : NULL;
}

/* Return the value of a term, in the field `key` of a map or NULL. NULL if it is not valid, or one of the rare terms:
 * compressed ones, old floats, and integers of more than 64 bits. */
static PyObject *
term(Input *in, int levels, PyObject *key)
{
    Py_ssize_t size;
    bytes start = take(in, 1);
    if (start == NULL)
        return NULL;
    int tag = *start;
    switch (tag) {
    case BINARY:
        start = take_content(in, 4, &size);
        return start == NULL ? NULL : text(start, size, 0);
    case SMALL_INTEGER:
        start = take(in, 1);
        return start == NULL ? NULL : PyLong_FromLong(*start);
    case INTEGER:
        start = take(in, 4);
        return start == NULL ? NULL : PyLong_FromLong((int32_t)(uint32_t)big_endian(start, 4));
    case ATOM:
    case ATOM_UTF8:
    case SMALL_ATOM:
    case SMALL_ATOM_UTF8:
        return atom(in, tag);
    case SMALL_BIG:
        return big(in, key);
    case MAP:
        return map(in, levels);
    case LIST:
        return list(in, levels, key);
    case NIL:
        return PyList_New(0);
    case NEW_FLOAT:
        return new_float(in);
    case STRING:
        return string(in);
    case SMALL_TUPLE:
        return sequence(in, 1, levels);
    case LARGE_TUPLE:
        return sequence(in, 4, levels);
    default:
        return NULL;
    }
}

static PyObject *
decode_all(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyBytes_CheckExact(args[0]) || !PyFrozenSet_CheckExact(args[3]))
        return leave_to_python();
    Py_ssize_t wanted = PyLong_AsSsize_t(args[1]);
    if (PyErr_Occurred())
        return leave_to_python();
    Input in;
    in.at = (bytes)PyBytes_AS_STRING(args[0]);
    in.end = in.at + PyBytes_GET_SIZE(args[0]);
    in.id_lists = args[3];
    memset(in.keys, 0, sizeof(in.keys));
    PyObject *payloads = PyList_New(0);
    if (payloads == NULL)
        return NULL;
    bytes version;
    while (PyList_GET_SIZE(payloads) < wanted && (version = take(&in, 1)) != NULL && *version == VERSION)
        if (!append(payloads, term(&in, MAX_DEPTH, NULL)))
            break;
    for (int i = 0; i < KEYS; i++)
        Py_XDECREF(in.keys[i]);
    if (PyErr_Occurred() || PyList_GET_SIZE(payloads) != wanted || in.at != in.end) {
        Py_DECREF(payloads);
        return leave_to_python();
    }
    return payloads;
}

/* -- dispatch.dispatcher ----------------------------------------------------------------------------------------- */

/* names of attributes, and keys of payloads */
enum {
    ABANDONED,
    ARMED,
    COMPLETED,
    DISPATCH,
    IS_DROPPING,
    IS_PASSING_ON,
    IS_REJECTING,
    KEY_D,
    KEY_OP,
    KEY_S,
    KEY_T,
    LOG,
    MONOTONIC,
    PASSED_ON,
    READER_WAITS,
    SESSION_ID,
    SNAPSHOTS,
    TABLE,
    WORK,
    NAMES /* the number of them */
};

static const char *const NAME_TEXTS[NAMES] = {
    [ABANDONED] = "_abandoned",
    [ARMED] = "armed",
    [COMPLETED] = "_completed",
    [DISPATCH] = "DISPATCH",
    [IS_DROPPING] = "is_dropping",
    [IS_PASSING_ON] = "is_passing_on",
    [IS_REJECTING] = "is_rejecting",
    [KEY_D] = "d",
    [KEY_OP] = "op",
    [KEY_S] = "s",
    [KEY_T] = "t",
    [LOG] = "log",
    [MONOTONIC] = "monotonic",
    [PASSED_ON] = "_passed_on",
    [READER_WAITS] = "reader_waits",
    [SESSION_ID] = "_session_id",
    [SNAPSHOTS] = "_snapshots",
    [TABLE] = "table",
    [WORK] = "work",
};

/* The module's state, which does not change. It is text, which refers to nothing, so the garbage collector need not
 * visit it. */
typedef struct {
    PyObject *names[NAMES];
} State;

#define KNOWN 32

/* What a call works with. */
typedef struct {
    PyObject *const *names;
    /* Borrowed from the arguments: whose attributes are read and set. */
    PyObject *queue;
    PyObject *progress;
    PyObject *emitter;
    PyObject *subscribers;
    PyObject *runner;
    PyObject *slow;
    PyObject *time;
    PyObject *guild_events;
    /* Also borrowed: what is called. */
    PyObject *decode;
    PyObject *check;
    PyObject *reject;
    PyObject *set_passed_on;
    PyObject *made_room;
    PyObject *arm;
    PyObject *handler_failed;
    PyObject *complete; /* None if it is not called after each event */
    /* Owned: attributes that only this thread sets, and no handler; and names, of which few differ. */
    PyObject *log;
    PyObject *session_id;
    PyObject *passed_on;
    PyObject *known[KNOWN];
} Loop;

/* Return a new reference to a value of a dict; NULL if there is none, or with an error. */
static PyObject *
find(PyObject *dict, PyObject *key)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *value;
    PyDict_GetItemRef(dict, key, &value);
    return value;
#else
    PyObject *value = PyDict_GetItemWithError(dict, key);
    Py_XINCREF(value);
    return value;
#endif
}

/* Return an attribute; NULL with an error. */
static PyObject *
get(const Loop *loop, PyObject *object, int name)
{
    return PyObject_GetAttr(object, loop->names[name]);
}

/* Set an attribute; false if that fails. */
static int
set(const Loop *loop, PyObject *object, int name, PyObject *value)
{
    return PyObject_SetAttr(object, loop->names[name], value) == 0;
}

/* Whether an attribute is true; -1 with an error. */
static int
is_true(const Loop *loop, PyObject *object, int name)
{
    PyObject *value = get(loop, object, name);
    if (value == NULL)
        return -1;
    int truth = PyObject_IsTrue(value);
    Py_DECREF(value);
    return truth;
}

/* Call a function for its effect; false if it raises. */
static int
call(PyObject *function)
{
    PyObject *result = PyObject_CallNoArgs(function);
    Py_XDECREF(result);
    return result != NULL;
}

/* Return the name in the head of a raw dispatch; NULL if it is not plain text, or with an error. */
static PyObject *
head_name(Loop *loop, PyObject *event)
{
    if (!PyBytes_CheckExact(event))
        return NULL;
    bytes at = (bytes)PyBytes_AS_STRING(event), end = at + PyBytes_GET_SIZE(event);
    if (!BEGINS_WITH(at, end, OPENING "\""))
        return NULL;
    bytes start = at += LENGTH(OPENING "\"");
    unsigned int sum = 0;
    for (; at < end && *at != '"'; at++) {
        if (*at < ' ' || *at > '~' || *at == '\\')
            return NULL;
        sum += *at;
    }
    return start == at || at == end ? NULL : known_text(&loop->known[sum % KNOWN], start, at - start, 1);
}

/* Return the name of an event, raw or decoded; NULL if it is not plain text, or with an error. */
static PyObject *
event_name(Loop *loop, PyObject *event)
{
    if (!PyDict_CheckExact(event))
        return head_name(loop, event);
    PyObject *name = find(event, loop->names[KEY_T]);
    if (name != NULL && !PyUnicode_CheckExact(name))
        Py_CLEAR(name);
    return name;
}

/* What to do with an event. */
enum { LEAVE, PASS_OVER, HANDLE };

/* Decide by its name. Asks in the order of the Python loop: for subscribers before whether events are dropped. What is
 * decoded already is not passed over, as it is the last place that a RESUME need not bring again. */
static int
decide(const Loop *loop, PyObject *snapshots, PyObject *name, int is_decoded)
{
    int heard = PyDict_Contains(snapshots, loop->names[DISPATCH]);
    if (heard == 0)
        heard = PyDict_Contains(snapshots, name);
    if (heard < 0 || is_true(loop, loop->subscribers, TABLE) || PySet_Contains(loop->guild_events, name))
        return LEAVE;
    if (!heard && !is_decoded)
        return PASS_OVER;
    if (is_true(loop, loop->progress, IS_DROPPING) || is_true(loop, loop->progress, IS_REJECTING))
        return LEAVE;
    return HANDLE;
}

/* Whether a payload is a dispatch of that name; false with an error. */
static int
is_usual(const Loop *loop, PyObject *payload, PyObject *name)
{
    if (!PyDict_CheckExact(payload))
        return 0;
    PyObject *op = find(payload, loop->names[KEY_OP]), *t = op == NULL ? NULL : find(payload, loop->names[KEY_T]);
    int result = t != NULL && PyLong_CheckExact(op) && PyLong_AsLong(op) == 0 && PyUnicode_CheckExact(t) &&
                 PyUnicode_Compare(t, name) == 0;
    Py_XDECREF(op);
    Py_XDECREF(t);
    return result;
}

/* As `InlineProgress.pass_on`; false if that fails, after which it can be done again. */
static int
pass_on(Loop *loop, PyObject *payload)
{
    PyObject *seq = find(payload, loop->names[KEY_S]), *position = NULL;
    if (seq != NULL && PyLong_CheckExact(seq))
        position = PyTuple_Pack(2, loop->session_id, seq);
    Py_XDECREF(seq);
    if (PyErr_Occurred() || !set(loop, loop->progress, COMPLETED, loop->passed_on) ||
        (position != NULL && !set(loop, loop->progress, PASSED_ON, position))) {
        Py_XDECREF(position);
        return 0;
    }
    if (position != NULL)
        Py_SETREF(loop->passed_on, position);
    return 1;
}

/* Call `function` with the error that is set, and with the handler of an event that raised it, if one did. The error is
 * sys.exc_info() there, as in an `except` clause: handlers of `error` may log it. False if that raises. */
static int
report(PyObject *function, PyObject *handler, PyObject *event)
{
    PyObject *type, *error, *traceback, *outer_type, *outer_error, *outer_traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(error, traceback);
    PyErr_GetExcInfo(&outer_type, &outer_error, &outer_traceback);
    Py_INCREF(error);
    PyErr_SetExcInfo(type, error, traceback);
    PyObject *result = handler == NULL ? PyObject_CallOneArg(function, error)
                                       : PyObject_CallFunctionObjArgs(function, handler, event, error, NULL);
    PyErr_SetExcInfo(outer_type, outer_error, outer_traceback);
    Py_DECREF(error);
    Py_XDECREF(result);
    return result != NULL;
}

/* As `Emitter.emit`, with the handlers in `snapshots`; false if that raises. */
static int
emit(const Loop *loop, PyObject *snapshots, PyObject *event, PyObject *handlers, PyObject *argument)
{
    Py_ssize_t count = PyTuple_Size(handlers);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *handler = PyTuple_GET_ITEM(handlers, i), *result = PyObject_CallOneArg(handler, argument);
        Py_XDECREF(result);
        if (result == NULL && !report(loop->handler_failed, handler, event))
            return 0;
        PyObject *now = get(loop, loop->emitter, SNAPSHOTS);
        Py_XDECREF(now);
        if (now != snapshots)
            return now != NULL; /* this is a child that the handler forked */
    }
    return count >= 0;
}

/* Set what the runner works at, and watch it; false if that fails. */
static int
begin_work(const Loop *loop, PyObject *name)
{
    PyObject *monotonic = get(loop, loop->time, MONOTONIC); /* for each event, as in Python */
    PyObject *now = monotonic == NULL ? NULL : PyObject_CallNoArgs(monotonic);
    PyObject *work = now == NULL ? NULL : PyTuple_Pack(3, name, now, loop->log);
    int begun = work != NULL && set(loop, loop->runner, WORK, work);
    Py_XDECREF(monotonic);
    Py_XDECREF(now);
    Py_XDECREF(work);
    int armed = begun ? is_true(loop, loop->slow, ARMED) : -1; /* only now: see `SlowHandlers` */
    return armed > 0 || (armed == 0 && call(loop->arm));
}

/* Emit an event under its name; false if that raises. */
static int
emit_data(const Loop *loop, PyObject *snapshots, PyObject *name, PyObject *handlers, PyObject *payload)
{
    PyObject *data = find(payload, loop->names[KEY_D]);
    int done = !PyErr_Occurred() && emit(loop, snapshots, name, handlers, data == NULL ? Py_None : data);
    Py_XDECREF(data);
    return done;
}

/* Emit an event as DISPATCH, then under its name, whose handlers may have changed; false if that raises. */
static int
emit_whole(const Loop *loop, PyObject *snapshots, PyObject *name, PyObject *handlers, PyObject *payload)
{
    if (!emit(loop, snapshots, loop->names[DISPATCH], handlers, payload))
        return 0;
    int abandoned = is_true(loop, loop->runner, ABANDONED);
    PyObject *named = abandoned ? NULL : find(snapshots, name);
    int done = named == NULL ? !PyErr_Occurred() : emit_data(loop, snapshots, name, named, payload);
    Py_XDECREF(named);
    return done;
}

/* As `Runner.dispatch`; false if that raises. */
static int
dispatch(const Loop *loop, PyObject *snapshots, PyObject *name, PyObject *payload)
{
    PyObject *whole = find(snapshots, loop->names[DISPATCH]);
    PyObject *named = whole == NULL && !PyErr_Occurred() ? find(snapshots, name) : NULL;
    if (whole == NULL && named == NULL)
        return !PyErr_Occurred(); /* the handlers have been removed */
    int done = begin_work(loop, name) && (whole != NULL ? emit_whole(loop, snapshots, name, whole, payload)
                                                        : emit_data(loop, snapshots, name, named, payload));
    Py_XDECREF(whole);
    Py_XDECREF(named);
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    done &= set(loop, loop->runner, WORK, Py_None);
    if (type != NULL)
        PyErr_Restore(type, error, traceback);
    return done;
}

/* As the Python loop, from where an event has been passed on; false if that raises. */
static int
hand_over(const Loop *loop, PyObject *snapshots, PyObject *name, PyObject *payload)
{
    if (!set(loop, loop->queue, IS_PASSING_ON, Py_False))
        return 0;
    int is_dropping = is_true(loop, loop->progress, IS_DROPPING); /* only now: see `Dispatcher` */
    if (is_dropping && (is_dropping < 0 || !call(loop->set_passed_on)))
        return 0;
    int waits = is_true(loop, loop->queue, READER_WAITS);
    if (waits && (waits < 0 || !call(loop->made_room)))
        return 0;
    return dispatch(loop, snapshots, name, payload) && (loop->complete == Py_None || call(loop->complete)) &&
           set(loop, loop->queue, IS_PASSING_ON, Py_True);
}

/* As the Python loop, from where an event is decoded. Leaves an odd one to it, decoded. */
static int
handle(Loop *loop, PyObject *snapshots, PyObject *name, PyObject **event)
{
    int is_raw = !PyDict_CheckExact(*event);
    PyObject *payload = is_raw ? PyObject_CallOneArg(loop->decode, *event) : Py_NewRef(*event);
    if (payload != NULL && is_usual(loop, payload, name) && pass_on(loop, payload)) {
        hand_over(loop, snapshots, name, payload);
        Py_DECREF(payload);
        return HANDLE;
    }
    if (payload != NULL) {
        PyErr_Clear(); /* what failed is done again */
        if (is_raw)
            Py_SETREF(payload, PyObject_CallOneArg(loop->check, payload));
    }
    if (payload == NULL) {
        report(loop->reject, NULL, NULL);
        return HANDLE;
    }
    Py_SETREF(*event, payload);
    return LEAVE;
}

/* Dispatch an event if it is usual, and return what was decided. An error may be set then, if it was to be handled. */
static int
dispatch_event(Loop *loop, PyObject **event)
{
    PyObject *name = event_name(loop, *event), *snapshots = name == NULL ? NULL : get(loop, loop->emitter, SNAPSHOTS);
    int action = snapshots == NULL || !PyDict_CheckExact(snapshots)
                     ? LEAVE
                     : decide(loop, snapshots, name, PyDict_CheckExact(*event));
    if (action == LEAVE)
        PyErr_Clear(); /* what failed is done again */
    else if (action == HANDLE)
        action = handle(loop, snapshots, name, event);
    Py_XDECREF(name);
    Py_XDECREF(snapshots);
    return action;
}

/* Take what a call works with from a tuple; false if that is something else. */
static int
begin_loop(Loop *loop, PyObject *parts)
{
    PyObject **fields[] = {&loop->queue,     &loop->progress, &loop->emitter,        &loop->subscribers,
                           &loop->runner,    &loop->slow,     &loop->time,           &loop->guild_events,
                           &loop->decode,    &loop->check,    &loop->reject,         &loop->set_passed_on,
                           &loop->made_room, &loop->arm,      &loop->handler_failed, &loop->complete};
    Py_ssize_t count = sizeof(fields) / sizeof(*fields);
    if (!PyTuple_CheckExact(parts) || PyTuple_GET_SIZE(parts) != count)
        return 0;
    for (Py_ssize_t i = 0; i < count; i++)
        *fields[i] = PyTuple_GET_ITEM(parts, i);
    return 1;
}

/* Dispatch the events of an iterator up to one that is left to the Python loop, and return that one; None if there is
 * none. It may have been decoded, but none of its handlers has run. Other threads get their turn when a function in
 * Python is called, as `decode` is, and most handlers. */
static PyObject *
dispatch_usual(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Loop loop;
    if (count != 2 || !begin_loop(&loop, args[0]) || !PyIter_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "dispatch_usual takes a tuple of its parts, and an iterator");
        return NULL;
    }
    loop.names = ((State *)PyModule_GetState(module))->names;
    memset(loop.known, 0, sizeof(loop.known));
    loop.log = get(&loop, loop.runner, LOG);
    loop.session_id = loop.log == NULL ? NULL : get(&loop, loop.progress, SESSION_ID);
    loop.passed_on = loop.session_id == NULL ? NULL : get(&loop, loop.progress, PASSED_ON);
    PyObject *event, *result = NULL;
    while (!PyErr_Occurred() && (event = PyIter_Next(args[1])) != NULL) {
        Py_CLEAR(result);
        int action = dispatch_event(&loop, &event);
        if (action == HANDLE) {
            Py_DECREF(event);
            continue;
        }
        result = event; /* one that is passed over is returned if it is the last, which the Python loop moves past */
        if (action == LEAVE)
            break;
    }
    for (int i = 0; i < KNOWN; i++)
        Py_XDECREF(loop.known[i]);
    Py_XDECREF(loop.log);
    Py_XDECREF(loop.session_id);
    Py_XDECREF(loop.passed_on);
    if (PyErr_Occurred()) {
        Py_CLEAR(result);
        return NULL;
    }
    if (result == NULL)
        Py_RETURN_NONE;
    return result;
}

/* -- the module -------------------------------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"whole_messages", (PyCFunction)(void (*)(void))whole_messages, METH_FASTCALL, NULL},
    {"cut", (PyCFunction)(void (*)(void))cut, METH_FASTCALL, NULL},
    {"decode_all", (PyCFunction)(void (*)(void))decode_all, METH_FASTCALL, NULL},
    {"dispatch_usual", (PyCFunction)(void (*)(void))dispatch_usual, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static int
execute(PyObject *module)
{
    State *state = PyModule_GetState(module);
    for (int i = 0; i < NAMES; i++)
        if ((state->names[i] = PyUnicode_InternFromString(NAME_TEXTS[i])) == NULL)
            return -1;
    return PyModule_AddStringConstant(module, "__version__", VOX_GATEWAY_VERSION);
}

static void
release(void *module)
{
    State *state = PyModule_GetState(module);
    for (int i = 0; i < NAMES; i++)
        Py_XDECREF(state->names[i]);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "vox_gateway._speedups",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_free = release,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&definition);
}
