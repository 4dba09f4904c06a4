/*
 * The compiled core of the parser.
 *
 * `Interpreter` has the same methods and attributes as in _core.py, and returns the same items,
 * errors and counts for the same bytes; tests compare the two. _core.py explains the rules, and
 * comments here explain only the C code. Python splits a piece into lines and then parses them;
 * C parses each line as soon as it's found:
 *
 *     parse_bytes     Interpreter._parse, _split_lines and _join_pending
 *     process_line    one iteration of Interpreter._interpret, and _check_lines
 *     check_pending   Interpreter._check_pending
 *     parse_plain     Interpreter._plain_values, which returns None for lines that end in CR or
 *                     have no space after the colon, and for events with a type; C parses these
 *                     in bulk too
 *     is_wanted       Interpreter._is_wanted
 *
 * Functions that return an int return a negative one for a Python error, with the exception set.
 *
 * Methods that parse are locked where there is no GIL, and raise an error if another call is
 * active, because a finalizer can call them. Methods that Python calls only before and after a
 * stream (_begin_stream, _skip_bytes, _discard_pending) aren't locked. An object contains nothing
 * that can refer to it, so it doesn't take part in garbage collection.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <structmember.h>

#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

#define SLICE 65536      /* _stage.SLICE */
#define HEAD 6           /* _core._HEAD */
#define MIN_CHECKED 1024 /* _core._MIN_CHECKED */
#define STRAY_LIMIT 65536 /* _core._STRAY_LIMIT */
#define MAX_DIGITS 640   /* _core._MAX_DIGITS */
#define MIN_MOVED 1024   /* A longer pending line becomes the data without a copy. */
#define MAX_REUSED 1024  /* A larger buffer isn't kept for the next line or event. */
#define FIELDS 5         /* fields of an event: data, event, id, retry, named */

/* ---- buffers ---- */

typedef struct {
    char *memory;
    Py_ssize_t size;   /* of the memory */
    Py_ssize_t start;  /* of the bytes in it */
    Py_ssize_t length; /* of the bytes */
} Buffer;

static void
buffer_clear(Buffer *buffer)
{
    if (buffer->size > MAX_REUSED) {
        PyMem_Free(buffer->memory);
        buffer->memory = NULL;
        buffer->size = 0;
    }
    buffer->start = buffer->length = 0;
}

static int
buffer_add(Buffer *buffer, const char *bytes, Py_ssize_t count)
{
    Py_ssize_t needed = buffer->start + buffer->length + count;
    if (count == 0)
        return 0;
    if (needed > buffer->size) {
        /* Small buffers double. Large ones grow by an eighth, to waste less memory. */
        Py_ssize_t size = needed + (needed > SLICE ? needed / 8 : needed);
        char *memory = PyMem_Realloc(buffer->memory, size);
        if (memory == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        buffer->memory = memory;
        buffer->size = size;
    }
    memcpy(buffer->memory + buffer->start + buffer->length, bytes, count);
    buffer->length += count;
    return 0;
}

/* ---- module state ---- */

typedef struct {
    PyTypeObject *event;
    PyTypeObject *comment;
    Py_ssize_t event_slots[FIELDS]; /* where an event has data, event, id, retry, named */
    Py_ssize_t comment_slot;
    PyObject *data;    /* "data" */
    PyObject *message; /* "message" */
    PyObject *empty;   /* "" */
    PyObject *feed_slow_path;
    PyObject *stop_at_limit;
} State;

/* ---- the object ---- */

typedef struct {
    PyObject_HEAD
    State *state;
    Buffer pending;      /* the line that hasn't ended yet */
    Buffer data;         /* "the data buffer", with an LF after each line */
    Buffer stray;        /* lines outside fields, with an LF after each line */
    PyObject *type;      /* "the event type buffer"; NULL for "" */
    PyObject *id;        /* "the last event ID buffer" */
    PyObject *last_id;   /* "the last event ID string" */
    PyObject *retry;     /* milliseconds, or NULL */
    PyObject *new_retry; /* set by the current event, or NULL */
    Py_ssize_t line_limit, data_line_limit, event_limit;
    Py_ssize_t events_seen, comments_seen, bytes_parsed;
    Py_ssize_t line_at; /* offset of the current line in the stream */
    char slow_path;     /* feed() calls _feed_slow_path() */
    char comments;      /* comments are requested */
    char keeps_stray;   /* text outside fields becomes an event of type "" */
    char skip_lf;       /* the last byte was a CR, so that an LF after it is skipped */
    char dropping;      /* the pending line isn't wanted, and isn't collected any more */
    char busy;          /* a call is active */
    char broken;        /* an exception interrupted a call, so that items may be missing */
} Interpreter;

/* The result of a step: a Python error, success, or the limit that is exceeded. */
enum { FAILED = -1, CONTINUE, LINE_TOO_LONG, EVENT_TOO_LARGE };

/* Whether a line has a known field, or is a comment and comments are requested. */
enum { UNWANTED, WANTED, UNDECIDED };

static PyObject *
decode(const char *bytes, Py_ssize_t length)
{
    return PyUnicode_DecodeUTF8(bytes, length, "replace");
}

/* Set a slot of a new object. */
static void
set_slot(PyObject *object, Py_ssize_t slot, PyObject *value)
{
    *(PyObject **)((char *)object + slot) = Py_NewRef(value);
}

static PyObject *
new_event(State *state, PyObject *data, PyObject *type, PyObject *id, PyObject *retry,
          PyObject *named)
{
    PyObject *values[FIELDS] = {data, type, id, retry, named};
    PyObject *event = state->event->tp_alloc(state->event, 0);
    for (int i = 0; event != NULL && i < FIELDS; i++)
        set_slot(event, state->event_slots[i], values[i]);
    return event;
}

static int
append_new(PyObject *items, PyObject *item)
{
    if (item == NULL)
        return -1;
    int failed = PyList_Append(items, item);
    Py_DECREF(item);
    return failed;
}

/* ---- fields ---- */

static int
is_field(const char *line, Py_ssize_t length, const char *name, Py_ssize_t size)
{
    return length >= size && memcmp(line, name, size) == 0 && (length == size || line[size] == ':');
}

#define IS_FIELD(line, length, name) is_field(line, length, name, sizeof(name) - 1)

/* The index of the value after a field name of this size. */
static Py_ssize_t
value_at(const char *line, Py_ssize_t length, Py_ssize_t size)
{
    if (length == size)
        return size;
    return size + (length > size + 1 && line[size + 1] == ' ' ? 2 : 1);
}

/* Whether a line with this prefix is wanted; UNDECIDED if its name is incomplete. */
static int
is_wanted(Interpreter *self, const char *line, Py_ssize_t length, int complete)
{
    static const char *const names[] = {"data", "event", "id", "retry"};
    Py_ssize_t head = length < HEAD ? length : HEAD;
    const char *colon = memchr(line, ':', head);
    Py_ssize_t size = colon != NULL ? colon - line : head;
    if (colon == line)
        return self->comments ? WANTED : UNWANTED;
    for (int i = 0; i < 4; i++) {
        if ((size_t)size <= strlen(names[i]) && memcmp(line, names[i], size) == 0) {
            if (names[i][size] == '\0' && (colon != NULL || complete))
                return WANTED;
            if (colon == NULL && !complete)
                return UNDECIDED;
        }
    }
    return UNWANTED;
}

static int
starts_with_data(const char *line, Py_ssize_t length)
{
    return length >= 4 && memcmp(line, "data", 4) == 0;
}

/* Return LINE_TOO_LONG or EVENT_TOO_LARGE if a wanted line exceeds a limit. */
static int
check_length(Interpreter *self, const char *line, Py_ssize_t length, int complete)
{
    int of_data = starts_with_data(line, length);
    if (length <= (of_data ? self->data_line_limit : self->line_limit))
        return CONTINUE;
    if (is_wanted(self, line, length, complete) != WANTED)
        return CONTINUE;
    return of_data && self->data_line_limit < self->line_limit ? EVENT_TOO_LARGE : LINE_TOO_LONG;
}

static int
append_data(Interpreter *self, const char *line, Py_ssize_t length)
{
    Py_ssize_t start = value_at(line, length, 4);
    if (self->data.length == 0 && length > MIN_MOVED
        && line == self->pending.memory + self->pending.start) {
        /*
         * Swap the buffers: the pending line becomes the data without a copy. `line` is invalid
         * after that. Only this code makes a buffer's start differ from 0.
         */
        Buffer moved = self->pending;
        moved.start += start;
        moved.length -= start;
        buffer_clear(&self->data);
        self->pending = self->data;
        self->data = moved;
    }
    else if (buffer_add(&self->data, line + start, length - start) < 0)
        return FAILED;
    if (buffer_add(&self->data, "\n", 1) < 0)
        return FAILED;
    if (self->data.length - 1 > self->event_limit) {
        buffer_clear(&self->data);
        return EVENT_TOO_LARGE;
    }
    return CONTINUE;
}

static int
append_comment(Interpreter *self, PyObject *items, const char *line, Py_ssize_t length)
{
    self->comments_seen++;
    if (!self->comments)
        return CONTINUE;
    PyObject *text = decode(line + 1, length - 1);
    if (text == NULL)
        return FAILED;
    PyObject *comment = self->state->comment->tp_alloc(self->state->comment, 0);
    if (comment != NULL)
        set_slot(comment, self->state->comment_slot, text);
    Py_DECREF(text);
    return append_new(items, comment) < 0 ? FAILED : CONTINUE;
}

static int
set_type(Interpreter *self, const char *value, Py_ssize_t length)
{
    PyObject *type = length ? decode(value, length) : NULL;
    if (length && type == NULL)
        return FAILED;
    Py_XSETREF(self->type, type);
    return CONTINUE;
}

static int
set_id(Interpreter *self, const char *value, Py_ssize_t length)
{
    if (memchr(value, '\0', length) != NULL)
        return CONTINUE;
    PyObject *id = decode(value, length);
    if (id == NULL)
        return FAILED;
    if (PyUnicode_Compare(id, self->last_id) == 0)
        Py_SETREF(id, Py_NewRef(self->last_id));
    Py_SETREF(self->id, id);
    return CONTINUE;
}

static int
set_retry(Interpreter *self, const char *value, Py_ssize_t length)
{
    char digits[MAX_DIGITS + 1];
    if (length == 0)
        return CONTINUE;
    for (Py_ssize_t i = 0; i < length; i++)
        if (value[i] < '0' || value[i] > '9')
            return CONTINUE;
    while (length > 1 && *value == '0') {
        value++;
        length--;
    }
    if (length > MAX_DIGITS)
        return CONTINUE;
    memcpy(digits, value, length);
    digits[length] = '\0';
    PyObject *retry = PyLong_FromString(digits, NULL, 10);
    if (retry == NULL)
        return FAILED;
    Py_XSETREF(self->retry, Py_NewRef(retry));
    Py_XSETREF(self->new_retry, retry);
    return CONTINUE;
}

/* Build the event of the current data. */
static PyObject *
build_event(Interpreter *self)
{
    State *state = self->state;
    Buffer *buffer = &self->data;
    PyObject *data = decode(buffer->memory + buffer->start, buffer->length - 1);
    if (data == NULL)
        return NULL;
    PyObject *retry = self->new_retry != NULL ? self->new_retry : Py_None;
    PyObject *named = self->type != NULL ? Py_True : Py_False;
    PyObject *type = self->type != NULL ? self->type : state->message;
    PyObject *event = new_event(state, data, type, self->id, retry, named);
    Py_DECREF(data);
    return event;
}

/* ---- text outside fields ---- */

/* Whether an unknown line with this prefix is kept. */
static int
is_stray(Interpreter *self, const char *line, Py_ssize_t length)
{
    Py_ssize_t limit = self->events_seen ? STRAY_LIMIT : self->event_limit;
    if (!self->keeps_stray || self->stray.length + length > limit)
        return 0;
    if (*line == '{' || *line == '[' || (self->stray.length && *line != ':'))
        return 1;
    return length >= HEAD && memcmp(line, "error:", HEAD) == 0;
}

static int
append_stray(Interpreter *self, const char *line, Py_ssize_t length)
{
    if (self->dropping || !is_stray(self, line, length))
        return CONTINUE;
    if (buffer_add(&self->stray, line, length) < 0 || buffer_add(&self->stray, "\n", 1) < 0)
        return FAILED;
    return CONTINUE;
}

static int
emit_stray(Interpreter *self, PyObject *items)
{
    Buffer *buffer = &self->stray;
    if (!buffer->length)
        return CONTINUE;
    PyObject *text = decode(buffer->memory, buffer->length - 1);
    buffer_clear(buffer);
    if (text == NULL)
        return FAILED;
    State *state = self->state;
    PyObject *event = new_event(state, text, state->empty, self->id, Py_None, Py_False);
    Py_DECREF(text);
    return append_new(items, event) < 0 ? FAILED : CONTINUE;
}

static void
clear_block(Interpreter *self)
{
    buffer_clear(&self->data);
    Py_CLEAR(self->type);
    Py_CLEAR(self->new_retry);
}

static int
dispatch(Interpreter *self, PyObject *items)
{
    Py_SETREF(self->last_id, Py_NewRef(self->id));
    if (self->data.length) {
        if (append_new(items, build_event(self)) < 0)
            return FAILED;
        self->events_seen++;
    }
    int status = emit_stray(self, items);
    clear_block(self);
    return status;
}

/* Process a line of the piece or of the pending buffer. `line` can be invalid afterwards. */
static int
process_line(Interpreter *self, PyObject *items, const char *line, Py_ssize_t length)
{
    if (length == 0)
        return dispatch(self, items);
    int status = check_length(self, line, length, 1);
    if (status)
        return status;
    if (IS_FIELD(line, length, "data")) {
        if (!self->data.length && emit_stray(self, items) < 0)
            return FAILED;
        return append_data(self, line, length);
    }
    if (*line == ':')
        return append_comment(self, items, line, length);
    if (IS_FIELD(line, length, "event")) {
        Py_ssize_t at = value_at(line, length, 5);
        return set_type(self, line + at, length - at);
    }
    if (IS_FIELD(line, length, "id")) {
        Py_ssize_t at = value_at(line, length, 2);
        return set_id(self, line + at, length - at);
    }
    if (IS_FIELD(line, length, "retry")) {
        Py_ssize_t at = value_at(line, length, 5);
        return set_retry(self, line + at, length - at);
    }
    return append_stray(self, line, length);
}

/* ---- lines ---- */

/* The next LF and the next CR, so that each byte is searched once. */
typedef struct {
    const char *end, *lf, *cr;
} LineEnds;

static LineEnds
find_line_ends(const char *bytes, const char *end)
{
    LineEnds ends = {end, memchr(bytes, '\n', end - bytes), memchr(bytes, '\r', end - bytes)};
    ends.lf = ends.lf != NULL ? ends.lf : end;
    ends.cr = ends.cr != NULL ? ends.cr : end;
    return ends;
}

/* Return the end of the line that starts here, or the end of the bytes if it doesn't end. */
static const char *
line_end(LineEnds *ends, const char *at)
{
    if (ends->lf < at) {
        ends->lf = memchr(at, '\n', ends->end - at);
        ends->lf = ends->lf != NULL ? ends->lf : ends->end;
    }
    if (ends->cr < at) {
        ends->cr = memchr(at, '\r', ends->end - at);
        ends->cr = ends->cr != NULL ? ends->cr : ends->end;
    }
    return ends->lf < ends->cr ? ends->lf : ends->cr;
}

/* Return the start of the next line; past the end after a final CR, whose LF may follow. */
static const char *
next_line(const char *line_end, const char *end)
{
    if (*line_end == '\n')
        return line_end + 1;
    if (line_end + 1 == end)
        return end + 1;
    return line_end + (line_end[1] == '\n' ? 2 : 1);
}

static int
append_pending(Interpreter *self, const char *bytes, Py_ssize_t count)
{
    return self->dropping ? 0 : buffer_add(&self->pending, bytes, count);
}

static void
clear_pending(Interpreter *self)
{
    buffer_clear(&self->pending);
    self->dropping = 0;
}

/* Truncate the pending line if it isn't wanted, and report it if it is too long. */
static int
check_pending(Interpreter *self)
{
    const char *line = self->pending.memory + self->pending.start;
    Py_ssize_t length = self->pending.length;
    Py_ssize_t lowest = self->data_line_limit;
    if (self->dropping || length <= (lowest < MIN_CHECKED ? lowest : MIN_CHECKED))
        return CONTINUE;
    if (is_wanted(self, line, length, 0) != UNWANTED)
        return check_length(self, line, length, 0);
    if (length <= HEAD || is_stray(self, line, length))
        return CONTINUE;
    char head[HEAD];
    memcpy(head, line, HEAD);
    buffer_clear(&self->pending);
    self->dropping = 1;
    return buffer_add(&self->pending, head, HEAD) < 0 ? FAILED : CONTINUE;
}

static int
parse_bytes(Interpreter *self, PyObject *items, const char *bytes, Py_ssize_t count)
{
    const char *at = bytes, *end = bytes + count;
    Py_ssize_t base = self->bytes_parsed;
    self->bytes_parsed += count;
    if (count && self->skip_lf) {
        self->skip_lf = 0;
        at += *at == '\n';
    }
    if (!self->pending.length && !self->dropping)
        self->line_at = base + (at - bytes);
    LineEnds ends = find_line_ends(at, end);
    while (at < end) {
        const char *stop = line_end(&ends, at);
        if (stop == end) {
            if (append_pending(self, at, end - at) < 0)
                return FAILED;
            break;
        }
        int status;
        if (self->pending.length || self->dropping) {
            if (append_pending(self, at, stop - at) < 0)
                return FAILED;
            const char *line = self->pending.memory + self->pending.start;
            status = process_line(self, items, line, self->pending.length);
            clear_pending(self);
        }
        else
            status = process_line(self, items, at, stop - at);
        if (status)
            return status;
        at = next_line(stop, end);
        if (at > end) {
            self->skip_lf = 1;
            at = end;
        }
        self->line_at = base + (at - bytes);
    }
    int status = check_pending(self);
    if (status > 0)
        clear_pending(self);
    return status;
}

/* ---- events of one data line each, in bulk ---- */

static int
has_more_than_type(Interpreter *self)
{
    return self->data.length || self->new_retry != NULL || self->id != self->last_id
        || self->stray.length;
}

static int
in_block(Interpreter *self)
{
    return self->type != NULL || has_more_than_type(self);
}

/* Events of one data line each, with or without a type, while they are parsed in bulk. */
typedef struct {
    PyObject *runs;   /* a type and a list of values, for events of one type in a row */
    PyObject *type;   /* of the current event; NULL for "" */
    Py_ssize_t count; /* of the events */
} Plain;

static PyObject *
last_type(Plain *plain)
{
    Py_ssize_t count = PyList_GET_SIZE(plain->runs);
    return count ? PyTuple_GET_ITEM(PyList_GET_ITEM(plain->runs, count - 1), 0) : NULL;
}

static int
set_plain_type(Plain *plain, const char *name, Py_ssize_t length)
{
    /* Nearly all events have the type of the one before them, so that it isn't decoded again. */
    PyObject *type = length ? last_type(plain) : NULL;
    if (type != NULL && PyUnicode_IS_COMPACT_ASCII(type) && PyUnicode_GET_LENGTH(type) == length
        && memcmp(PyUnicode_1BYTE_DATA(type), name, length) == 0)
        Py_INCREF(type);
    else if (length && (type = decode(name, length)) == NULL)
        return -1;
    Py_XSETREF(plain->type, length ? type : NULL);
    return 1;
}

/* The values of the run of a type: the last one, or a new one. */
static PyObject *
find_values(Plain *plain, PyObject *type)
{
    PyObject *last = last_type(plain);
    if (last == NULL || (last != type && PyUnicode_Compare(last, type) != 0)) {
        PyObject *values = PyList_New(0);
        if (values == NULL)
            return NULL;
        PyObject *run = PyTuple_Pack(2, type, values);
        Py_DECREF(values);
        if (append_new(plain->runs, run) < 0)
            return NULL;
    }
    return PyTuple_GET_ITEM(PyList_GET_ITEM(plain->runs, PyList_GET_SIZE(plain->runs) - 1), 1);
}

static int
append_plain(Interpreter *self, Plain *plain, const char *bytes, Py_ssize_t length)
{
    PyObject *type = plain->type != NULL ? plain->type : self->state->message;
    PyObject *values = find_values(plain, type);
    if (values == NULL || append_new(values, PyBytes_FromStringAndSize(bytes, length)) < 0)
        return -1;
    Py_CLEAR(plain->type);
    plain->count++;
    return 1;
}

/* Process the line of a type, or a data line that a blank line follows. Return 0 for any other. */
static int
plain_line(Interpreter *self, Plain *plain, const char *line, Py_ssize_t length, int before_blank)
{
    int is_data = length > 4 && memcmp(line, "data:", 5) == 0;
    if (is_data != before_blank || !(is_data || IS_FIELD(line, length, "event")))
        return 0;
    Py_ssize_t at = value_at(line, length, is_data ? 4 : 5);
    if (!is_data)
        return set_plain_type(plain, line + at, length - at);
    return length - at > self->event_limit ? 0 : append_plain(self, plain, line + at, length - at);
}

/*
 * Parse complete events and return where the last line, which isn't complete, starts, as
 * next_line() does. Return NULL, with or without an exception, if there is anything else.
 */
static const char *
plain_lines(Interpreter *self, Plain *plain, const char *at, const char *end)
{
    Buffer *pending = &self->pending;
    LineEnds ends = find_line_ends(at, end);
    Py_ssize_t old = pending->length;
    int is_first = 1;
    while (at < end) {
        const char *line = at, *stop = line_end(&ends, at);
        Py_ssize_t length = stop - at;
        if (stop == end)
            break;
        if (is_first && old) {
            if (buffer_add(pending, at, length) < 0)
                return NULL;
            line = pending->memory + pending->start;
            length = pending->length;
        }
        is_first = 0;
        at = next_line(stop, end);
        int before_blank = at < end && (*at == '\n' || *at == '\r');
        int status = plain_line(self, plain, line, length, before_blank);
        pending->length = old;
        if (status <= 0)
            return NULL;
        if (before_blank)
            at = next_line(at, end);
    }
    return plain->count ? at : NULL;
}

static PyObject *
parse_plain(Interpreter *self, const char *bytes, Py_ssize_t count)
{
    /* A piece that isn't longer than a line may be exceeds no limit. */
    const char *at = bytes, *end = bytes + count;
    if (self->slow_path || self->dropping || count == 0
        || self->pending.length + count > self->data_line_limit || self->pending.length > SLICE
        || has_more_than_type(self))
        Py_RETURN_NONE;
    if (self->skip_lf)
        at += *at == '\n';
    Plain plain = {PyList_New(0), Py_XNewRef(self->type), 0};
    if (plain.runs != NULL)
        at = plain_lines(self, &plain, at, end);
    if (plain.runs == NULL || at == NULL) {
        Py_XDECREF(plain.runs);
        Py_XDECREF(plain.type);
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    clear_pending(self);
    Py_XSETREF(self->type, plain.type);
    self->skip_lf = at > end;
    if (at > end)
        at = end;
    if (append_pending(self, at, end - at) < 0) {
        Py_DECREF(plain.runs);
        return NULL;
    }
    self->line_at = self->bytes_parsed + (at - bytes);
    self->bytes_parsed += count;
    self->events_seen += plain.count;
    return plain.runs;
}

/* ---- methods ---- */

/* An allocation can run a finalizer, which can call the parser again. */
static int
enter(Interpreter *self)
{
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError,
                        "parser called during another call of the same parser: use it in one "
                        "thread only, and not in a finalizer");
        return -1;
    }
    self->busy = 1;
    return 0;
}

/* Mark the parser as broken, with the exception set. Memory may be short: allocate nothing. */
static PyObject *
break_off(Interpreter *self)
{
    self->broken = self->slow_path = 1;
    return NULL;
}

static PyObject *
stop_at_limit(Interpreter *self, int status, PyObject *items)
{
    PyObject *offset = PyLong_FromSsize_t(self->line_at);
    PyObject *limit = PyUnicode_FromString(status == EVENT_TOO_LARGE ? "event" : "line");
    PyObject *result = NULL;
    if (offset != NULL && limit != NULL)
        result = PyObject_CallMethodObjArgs(
            (PyObject *)self, self->state->stop_at_limit, limit, offset, NULL);
    Py_XDECREF(offset);
    Py_XDECREF(limit);
    if (result == NULL) {
        Py_DECREF(items);
        return break_off(self);
    }
    Py_DECREF(result);
    return items;
}

static PyObject *
parse_locked(Interpreter *self, PyObject *data)
{
    PyObject *items = PyList_New(0);
    if (items == NULL)
        return break_off(self);
    if (enter(self) < 0) {
        Py_DECREF(items);
        return NULL;
    }
    int status = parse_bytes(self, items, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
    self->busy = 0;
    if (status == FAILED) {
        Py_DECREF(items);
        return break_off(self);
    }
    return status > 0 ? stop_at_limit(self, status, items) : items;
}

static PyObject *
parse(Interpreter *self, PyObject *data)
{
    PyObject *items;
    if (!PyBytes_Check(data))
        return PyErr_Format(PyExc_TypeError, "expected bytes, not %.100s", Py_TYPE(data)->tp_name);
    Py_BEGIN_CRITICAL_SECTION(self);
    items = parse_locked(self, data);
    Py_END_CRITICAL_SECTION();
    return items;
}

static PyObject *
feed(Interpreter *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    State *state = self->state;
    Py_ssize_t named = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    if (count + named != 1
        || (named && PyUnicode_Compare(PyTuple_GET_ITEM(names, 0), state->data) != 0)) {
        PyErr_SetString(PyExc_TypeError, "feed() takes exactly one argument, data");
        return NULL;
    }
    PyObject *data = args[0];
    if (self->slow_path || !PyBytes_CheckExact(data) || PyBytes_GET_SIZE(data) > SLICE)
        return PyObject_CallMethodOneArg((PyObject *)self, state->feed_slow_path, data);
    return parse(self, data);
}

static PyObject *
plain_events_locked(Interpreter *self, PyObject *data)
{
    if (enter(self) < 0)
        return NULL;
    PyObject *runs = parse_plain(self, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
    self->busy = 0;
    return runs != NULL ? runs : break_off(self);
}

static PyObject *
plain_events(Interpreter *self, PyObject *data)
{
    PyObject *runs;
    if (!PyBytes_CheckExact(data))
        Py_RETURN_NONE;
    Py_BEGIN_CRITICAL_SECTION(self);
    runs = plain_events_locked(self, data);
    Py_END_CRITICAL_SECTION();
    return runs;
}

/* The rest of build_incomplete_events(), between enter() and its end. */
static int
append_incomplete(Interpreter *self, PyObject *events)
{
    const char *line = self->pending.memory + self->pending.start;
    Py_ssize_t length = self->pending.length;
    int status = CONTINUE;
    if (IS_FIELD(line, length, "data")) {
        if (!self->data.length)
            status = emit_stray(self, events);
        if (status == CONTINUE)
            status = append_data(self, line, length);
    }
    /* Half of an id or a number would be another one. */
    else if (length && *line != ':' && is_wanted(self, line, length, 1) == UNWANTED)
        status = append_stray(self, line, length);
    clear_pending(self);
    if (status == CONTINUE && self->data.length)
        status = append_new(events, build_event(self));
    return status == CONTINUE ? emit_stray(self, events) : status;
}

static PyObject *
build_incomplete_events(Interpreter *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *events = PyList_New(0);
    if (events == NULL || enter(self) < 0) {
        Py_XDECREF(events);
        return NULL;
    }
    int status = append_incomplete(self, events);
    self->busy = 0;
    if (status == FAILED)
        Py_CLEAR(events);
    return status > 0 ? stop_at_limit(self, status, events) : events;
}

static PyObject *
accept_incomplete_event(Interpreter *self, PyObject *Py_UNUSED(ignored))
{
    Py_SETREF(self->last_id, Py_NewRef(self->id));
    self->events_seen++;
    Py_RETURN_NONE;
}

static PyObject *
discard_pending(Interpreter *self, PyObject *Py_UNUSED(ignored))
{
    if (enter(self) < 0)
        return NULL;
    clear_pending(self);
    clear_block(self);
    buffer_clear(&self->stray);
    self->busy = 0;
    Py_RETURN_NONE;
}

static PyObject *
is_mid_event(Interpreter *self, PyObject *Py_UNUSED(ignored))
{
    Buffer *line = &self->pending;
    return PyBool_FromLong((line->length && line->memory[line->start] != ':') || in_block(self));
}

static PyObject *
skip_bytes(Interpreter *self, PyObject *count)
{
    Py_ssize_t bytes = PyLong_AsSsize_t(count);
    if (bytes == -1 && PyErr_Occurred())
        return NULL;
    self->bytes_parsed += bytes;
    Py_RETURN_NONE;
}

static PyObject *
begin_stream(Interpreter *self, PyObject *Py_UNUSED(ignored))
{
    if (enter(self) < 0)
        return NULL;
    clear_pending(self);
    clear_block(self);
    buffer_clear(&self->stray);
    Py_XSETREF(self->id, Py_NewRef(self->last_id));
    self->events_seen = self->comments_seen = self->bytes_parsed = self->line_at = 0;
    self->slow_path = 1;
    self->skip_lf = self->busy = self->broken = 0;
    Py_RETURN_NONE;
}

static int
limit_of(PyObject *value, Py_ssize_t *limit)
{
    *limit = PY_SSIZE_T_MAX / 2;
    if (value == Py_None)
        return 0;
    Py_ssize_t given = PyLong_AsSsize_t(value);
    if (given == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return -1;
        PyErr_Clear(); /* more than the memory can contain */
        return 0;
    }
    *limit = given < *limit ? given : *limit;
    return 0;
}

static int
init(Interpreter *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"last_event_id", "retry", "comments", "max_line", "max_event", NULL};
    PyObject *last_id, *retry, *line_limit, *event_limit;
    int comments;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$UOpOO", names, &last_id, &retry, &comments,
                                     &line_limit, &event_limit))
        return -1;
    if (limit_of(line_limit, &self->line_limit) < 0
        || limit_of(event_limit, &self->event_limit) < 0)
        return -1;
    self->data_line_limit = self->event_limit + (Py_ssize_t)sizeof("data: ") - 1;
    if (self->data_line_limit > self->line_limit)
        self->data_line_limit = self->line_limit;
    self->comments = comments != 0;
    Py_XSETREF(self->last_id, Py_NewRef(last_id));
    Py_XSETREF(self->retry, retry == Py_None ? NULL : Py_NewRef(retry));
    PyObject *begun = begin_stream(self, NULL);
    Py_XDECREF(begun);
    return begun == NULL ? -1 : 0;
}

static struct PyModuleDef module;

static PyObject *
new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *found = PyType_GetModuleByDef(type, &module);
    if (found == NULL)
        return NULL;
    Interpreter *self = (Interpreter *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->state = PyModule_GetState(found);
    self->id = Py_NewRef(self->state->empty);
    self->last_id = Py_NewRef(self->state->empty);
    self->slow_path = 1;
    return (PyObject *)self;
}

static void
dealloc(Interpreter *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(self->pending.memory);
    PyMem_Free(self->data.memory);
    PyMem_Free(self->stray.memory);
    Py_XDECREF(self->type);
    Py_XDECREF(self->id);
    Py_XDECREF(self->last_id);
    Py_XDECREF(self->retry);
    Py_XDECREF(self->new_retry);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(feed_doc, "feed($self, data)\n--\n\n\
Feed bytes and return the events they complete.\n\
\n\
Args:\n\
    data: A piece of the stream, cut anywhere. It can be empty.\n\
\n\
Returns:\n\
    The events in order, and comments if they are requested. If the piece is malformed or\n\
    exceeds a limit, the events before that; `error` is then set.\n\
\n\
Raises:\n\
    SSEError: An earlier feed set `error`, or an exception interrupted an earlier call\n\
        (`BrokenStage`).\n\
    RuntimeError: The parser is closed.\n\
    TypeError: The piece isn't bytes.");

PyDoc_STRVAR(plain_events_doc, "plain_events($self, data, /)\n--\n\n\
Parse events of one data line each in bulk: a type, and the data of its events in a row.\n\
\n\
Return None, unchanged, for other bytes.");

static PyMethodDef methods[] = {
    {"feed", (PyCFunction)(void (*)(void))feed, METH_FASTCALL | METH_KEYWORDS, feed_doc},
    {"plain_events", (PyCFunction)plain_events, METH_O, plain_events_doc},
    {"_parse", (PyCFunction)parse, METH_O, NULL},
    {"_begin_stream", (PyCFunction)begin_stream, METH_NOARGS, NULL},
    {"_skip_bytes", (PyCFunction)skip_bytes, METH_O, NULL},
    {"_is_mid_event", (PyCFunction)is_mid_event, METH_NOARGS, NULL},
    {"_build_incomplete_events", (PyCFunction)build_incomplete_events, METH_NOARGS, NULL},
    {"_accept_incomplete_event", (PyCFunction)accept_incomplete_event, METH_NOARGS, NULL},
    {"_discard_pending", (PyCFunction)discard_pending, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"_uses_slow_path", T_BOOL, offsetof(Interpreter, slow_path), 0, NULL},
    {"_broken", T_BOOL, offsetof(Interpreter, broken), 0, NULL},
    {"keeps_stray", T_BOOL, offsetof(Interpreter, keeps_stray), 0, NULL},
    {"_last_event_id", T_OBJECT, offsetof(Interpreter, last_id), READONLY, NULL},
    {"_retry", T_OBJECT, offsetof(Interpreter, retry), READONLY, NULL},
    {"_events_seen", T_PYSSIZET, offsetof(Interpreter, events_seen), READONLY, NULL},
    {"_comments_seen", T_PYSSIZET, offsetof(Interpreter, comments_seen), READONLY, NULL},
    {"_bytes_parsed", T_PYSSIZET, offsetof(Interpreter, bytes_parsed), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Interpreter(*, last_event_id, retry, comments, max_line, max_event)\n--\n\n"
                "The fast path of the parser, which turns bytes into lines and lines into events."},
    {Py_tp_new, new},
    {Py_tp_init, init},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "sseparse.sse._core_c.Interpreter",
    .basicsize = sizeof(Interpreter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

/* ---- the module ---- */

static PyTypeObject *
find_class(PyObject *events, const char *name)
{
    PyObject *found = PyObject_GetAttrString(events, name);
    if (found != NULL && !PyType_Check(found)) {
        PyErr_Format(PyExc_TypeError, "%s of _event isn't a class", name);
        Py_CLEAR(found);
    }
    return (PyTypeObject *)found;
}

/* Return the offset of a slot, to set it without calling its descriptor. */
static Py_ssize_t
find_slot(PyTypeObject *type, const char *name)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, name);
    Py_ssize_t offset = -1;
    if (found != NULL && Py_IS_TYPE(found, &PyMemberDescr_Type))
        offset = ((PyMemberDescrObject *)found)->d_member->offset;
    else if (found != NULL)
        PyErr_Format(PyExc_TypeError, "%s of %s isn't a slot", name, type->tp_name);
    Py_XDECREF(found);
    return offset;
}

static int
find_classes(State *state, PyObject *events)
{
    static const char *const names[FIELDS] = {"data", "event", "id", "retry", "named"};
    if ((state->event = find_class(events, "Event")) == NULL
        || (state->comment = find_class(events, "Comment")) == NULL
        || (state->comment_slot = find_slot(state->comment, "text")) < 0)
        return -1;
    for (int i = 0; i < FIELDS; i++)
        if ((state->event_slots[i] = find_slot(state->event, names[i])) < 0)
            return -1;
    return 0;
}

static int
intern_names(State *state)
{
    state->data = PyUnicode_InternFromString("data");
    state->message = PyUnicode_InternFromString("message");
    state->empty = PyUnicode_InternFromString("");
    state->feed_slow_path = PyUnicode_InternFromString("_feed_slow_path");
    state->stop_at_limit = PyUnicode_InternFromString("_stop_at_limit");
    return state->data && state->message && state->empty && state->feed_slow_path
                && state->stop_at_limit
        ? 0
        : -1;
}

static int
execute(PyObject *self)
{
    State *state = PyModule_GetState(self);
    PyObject *names = Py_BuildValue("(ss)", "Event", "Comment");
    if (names == NULL)
        return -1;
    PyObject *events =
        PyImport_ImportModuleLevel("_event", PyModule_GetDict(self), NULL, names, 1);
    Py_DECREF(names);
    if (events == NULL)
        return -1;
    int failed = find_classes(state, events) < 0 || intern_names(state) < 0;
    Py_DECREF(events);
    if (failed)
        return -1;
    PyObject *type = PyType_FromModuleAndSpec(self, &spec, NULL);
    if (type == NULL)
        return -1;
    failed = PyModule_AddType(self, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}

static int
traverse(PyObject *self, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(self);
    Py_VISIT(state->event);
    Py_VISIT(state->comment);
    return 0;
}

static int
clear(PyObject *self)
{
    State *state = PyModule_GetState(self);
    Py_CLEAR(state->event);
    Py_CLEAR(state->comment);
    Py_CLEAR(state->data);
    Py_CLEAR(state->message);
    Py_CLEAR(state->empty);
    Py_CLEAR(state->feed_slow_path);
    Py_CLEAR(state->stop_at_limit);
    return 0;
}

static void
free_state(void *self)
{
    clear(self);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, execute},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_core_c",
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = free_state,
};

PyMODINIT_FUNC
PyInit__core_c(void)
{
    return PyModuleDef_Init(&module);
}
