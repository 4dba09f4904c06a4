/*
 * Bytes into events, compiled: what _core.py says.
 *
 * `Interpreter` here and there have the same methods and attributes, and give the same items,
 * faults and counts for the same bytes; tests feed both. What a rule means is said there; here
 * is a comment where C needs one. Python cuts a piece into lines and then reads them; here each
 * line is read as soon as it is found:
 *
 *     take_bytes      Interpreter._take, LineSplitter.feed and _split
 *     take_line       one turn of Interpreter._interpret, LineSplitter._find_overflow
 *     check_held      LineSplitter.check_pending
 *     plain_values    LineSplitter.plain_events, which is less patient: it leaves lines that end
 *                     in CR, and those without a blank after the colon, to the other way
 *     is_wanted       LineSplitter._known
 *
 * Functions that return an int give a negative one for an error, with the exception set.
 *
 * What changes a parser is under its lock where there is no GIL, and refuses to begin while it is
 * at work already, for a finalizer could call it; what Python calls before a stream and after it
 * (_begin, _skip, _let_go and their kin) is not locked. An object holds nothing that could refer
 * to it, so the garbage collector has no business here.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <structmember.h>

#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

#define SLICE 65536     /* _pieces.SLICE */
#define HEAD 6          /* _lines._HEAD */
#define GLANCE 1024     /* _lines._GLANCE */
#define MOST_DIGITS 640 /* _core._MOST_DIGITS */
#define LONG 1024       /* A held line longer than this becomes the data without a copy. */
#define SMALL 1024      /* A buffer no larger than this is kept for the next line or event. */

/* ---- buffers ---- */

typedef struct {
    char *room;
    Py_ssize_t size;   /* of the room */
    Py_ssize_t start;  /* where in it the bytes begin */
    Py_ssize_t length; /* how many there are */
} Buffer;

static void
buffer_clear(Buffer *buffer)
{
    if (buffer->size > SMALL) {
        PyMem_Free(buffer->room);
        buffer->room = NULL;
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
        /* Small ones double; of a large one an eighth may be in vain. */
        Py_ssize_t size = needed + (needed > SLICE ? needed / 8 : needed);
        char *room = PyMem_Realloc(buffer->room, size);
        if (room == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        buffer->room = room;
        buffer->size = size;
    }
    memcpy(buffer->room + buffer->start + buffer->length, bytes, count);
    buffer->length += count;
    return 0;
}

/* ---- what the module knows ---- */

typedef struct {
    PyTypeObject *event;
    PyTypeObject *comment;
    PyObject *event_slots[4]; /* the descriptors of data, event, id, retry */
    PyObject *comment_slot;
    PyObject *data;    /* "data" */
    PyObject *message; /* "message" */
    PyObject *empty;   /* "" */
    PyObject *feed_with_care;
    PyObject *stop_at;
} State;

/* ---- the object ---- */

typedef struct {
    PyObject_HEAD
    State *state;
    Buffer line;         /* the part of a line that waits for the rest */
    Buffer data;         /* "the data buffer", with an LF after each line */
    PyObject *type;      /* "the event type buffer"; NULL for "" */
    PyObject *id;        /* "the last event ID buffer" */
    PyObject *last_id;   /* "the last event ID string" */
    PyObject *retry;     /* milliseconds, or NULL */
    PyObject *new_retry; /* what this block set, or NULL */
    Py_ssize_t max_line, max_data_line, max_event;
    Py_ssize_t events_seen, comments_seen, bytes_taken;
    Py_ssize_t line_at; /* where the line begins, in bytes from the start of the stream */
    char careful;
    char comments; /* whether they are wanted */
    char skip_lf;  /* the last byte was a CR: an LF that follows belongs to it */
    char dropping; /* the line is one that nobody wants: no more of it is kept */
    char busy;
    char broken; /* an error of Python's left a call half done: items may be missing */
} Interpreter;

/* What becomes of a line: an error of Python's, nothing special, or beyond which limit it is. */
enum { FAILED = -1, GOES_ON, LINE_FAULT, EVENT_FAULT };

/* Whether a line is of a field that is known, or a comment that is wanted. */
enum { UNWANTED, WANTED, UNDECIDED };

static PyObject *
decode(const char *bytes, Py_ssize_t length)
{
    return PyUnicode_DecodeUTF8(bytes, length, "replace");
}

static int
set_slot(PyObject *slot, PyObject *object, PyObject *value)
{
    return Py_TYPE(slot)->tp_descr_set(slot, object, value);
}

static PyObject *
make_event(State *state, PyObject *data, PyObject *type, PyObject *id, PyObject *retry)
{
    PyObject *values[4] = {data, type, id, retry};
    PyObject *event = state->event->tp_alloc(state->event, 0);
    for (int i = 0; event != NULL && i < 4; i++)
        if (set_slot(state->event_slots[i], event, values[i]) < 0)
            Py_CLEAR(event);
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

/* Where the value begins, behind a name of that size. */
static Py_ssize_t
value_at(const char *line, Py_ssize_t length, Py_ssize_t size)
{
    if (length == size)
        return size;
    return size + (length > size + 1 && line[size + 1] == ' ' ? 2 : 1);
}

/* Whether a line that begins so is wanted; undecided while its name is not complete. */
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

/* LINE_FAULT or EVENT_FAULT, if a wanted line is longer than it may be. */
static int
check_length(Interpreter *self, const char *line, Py_ssize_t length, int complete)
{
    int of_data = starts_with_data(line, length);
    if (length <= (of_data ? self->max_data_line : self->max_line))
        return GOES_ON;
    if (is_wanted(self, line, length, complete) != WANTED)
        return GOES_ON;
    return of_data && self->max_data_line < self->max_line ? EVENT_FAULT : LINE_FAULT;
}

static int
take_data(Interpreter *self, const char *line, Py_ssize_t length)
{
    Py_ssize_t start = value_at(line, length, 4);
    if (self->data.length == 0 && length > LONG && line == self->line.room + self->line.start) {
        /*
         * The line's buffer becomes that of the data, and the data's that of the next line: this
         * line is gone from here on. Nothing else makes a buffer start behind its beginning.
         */
        Buffer taken = self->line;
        taken.start += start;
        taken.length -= start;
        buffer_clear(&self->data);
        self->line = self->data;
        self->data = taken;
    }
    else if (buffer_add(&self->data, line + start, length - start) < 0)
        return FAILED;
    if (buffer_add(&self->data, "\n", 1) < 0)
        return FAILED;
    if (self->data.length - 1 > self->max_event) {
        buffer_clear(&self->data);
        return EVENT_FAULT;
    }
    return GOES_ON;
}

static int
take_comment(Interpreter *self, PyObject *items, const char *line, Py_ssize_t length)
{
    self->comments_seen++;
    if (!self->comments)
        return GOES_ON;
    PyObject *text = decode(line + 1, length - 1);
    if (text == NULL)
        return FAILED;
    PyObject *comment = self->state->comment->tp_alloc(self->state->comment, 0);
    if (comment != NULL && set_slot(self->state->comment_slot, comment, text) < 0)
        Py_CLEAR(comment);
    Py_DECREF(text);
    return append_new(items, comment) < 0 ? FAILED : GOES_ON;
}

static int
take_type(Interpreter *self, const char *value, Py_ssize_t length)
{
    PyObject *type = length ? decode(value, length) : NULL;
    if (length && type == NULL)
        return FAILED;
    Py_XSETREF(self->type, type);
    return GOES_ON;
}

static int
take_id(Interpreter *self, const char *value, Py_ssize_t length)
{
    if (memchr(value, '\0', length) != NULL)
        return GOES_ON;
    PyObject *id = decode(value, length);
    if (id == NULL)
        return FAILED;
    if (PyUnicode_Compare(id, self->last_id) == 0)
        Py_SETREF(id, Py_NewRef(self->last_id));
    Py_SETREF(self->id, id);
    return GOES_ON;
}

static int
take_retry(Interpreter *self, const char *value, Py_ssize_t length)
{
    char digits[MOST_DIGITS + 1];
    if (length == 0)
        return GOES_ON;
    for (Py_ssize_t i = 0; i < length; i++)
        if (value[i] < '0' || value[i] > '9')
            return GOES_ON;
    while (length > 1 && *value == '0') {
        value++;
        length--;
    }
    if (length > MOST_DIGITS)
        return GOES_ON;
    memcpy(digits, value, length);
    digits[length] = '\0';
    PyObject *retry = PyLong_FromString(digits, NULL, 10);
    if (retry == NULL)
        return FAILED;
    Py_XSETREF(self->retry, Py_NewRef(retry));
    Py_XSETREF(self->new_retry, retry);
    return GOES_ON;
}

/* The event of the data that there is; the data and what the block set are gone then. */
static PyObject *
take_event(Interpreter *self)
{
    State *state = self->state;
    Buffer *buffer = &self->data;
    PyObject *data = decode(buffer->room + buffer->start, buffer->length - 1);
    if (data == NULL)
        return NULL;
    PyObject *type = self->type != NULL ? self->type : state->message;
    PyObject *retry = self->new_retry != NULL ? self->new_retry : Py_None;
    PyObject *event = make_event(state, data, type, self->id, retry);
    Py_DECREF(data);
    return event;
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
        if (append_new(items, take_event(self)) < 0)
            return FAILED;
        self->events_seen++;
    }
    clear_block(self);
    return GOES_ON;
}

/* Take a line, of the piece or of the buffer of held bytes: after that it may be there no more. */
static int
take_line(Interpreter *self, PyObject *items, const char *line, Py_ssize_t length)
{
    if (length == 0)
        return dispatch(self, items);
    int fault = check_length(self, line, length, 1);
    if (fault)
        return fault;
    if (IS_FIELD(line, length, "data"))
        return take_data(self, line, length);
    if (*line == ':')
        return take_comment(self, items, line, length);
    if (IS_FIELD(line, length, "event")) {
        Py_ssize_t at = value_at(line, length, 5);
        return take_type(self, line + at, length - at);
    }
    if (IS_FIELD(line, length, "id")) {
        Py_ssize_t at = value_at(line, length, 2);
        return take_id(self, line + at, length - at);
    }
    if (IS_FIELD(line, length, "retry")) {
        Py_ssize_t at = value_at(line, length, 5);
        return take_retry(self, line + at, length - at);
    }
    return GOES_ON;
}

/* ---- lines ---- */

/* The next LF and the next CR, each looked for once. */
typedef struct {
    const char *end, *lf, *cr;
} Ends;

static Ends
find_ends(const char *bytes, const char *end)
{
    Ends ends = {end, memchr(bytes, '\n', end - bytes), memchr(bytes, '\r', end - bytes)};
    ends.lf = ends.lf != NULL ? ends.lf : end;
    ends.cr = ends.cr != NULL ? ends.cr : end;
    return ends;
}

/* Where the line that begins here ends; the end of all bytes, if it does not. */
static const char *
line_end(Ends *ends, const char *at)
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

/* Where the next line begins; past the end, if an LF that comes later may belong to this one. */
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
hold(Interpreter *self, const char *bytes, Py_ssize_t count)
{
    return self->dropping ? 0 : buffer_add(&self->line, bytes, count);
}

static void
end_line(Interpreter *self)
{
    buffer_clear(&self->line);
    self->dropping = 0;
}

/* Drop the excess of a line that nobody wants; find one that is too long. */
static int
check_held(Interpreter *self)
{
    const char *line = self->line.room + self->line.start;
    Py_ssize_t length = self->line.length;
    Py_ssize_t lowest = self->max_data_line;
    if (self->dropping || length <= (lowest < GLANCE ? lowest : GLANCE))
        return GOES_ON;
    if (is_wanted(self, line, length, 0) != UNWANTED)
        return check_length(self, line, length, 0);
    char head[HEAD];
    if (length > HEAD)
        length = HEAD;
    memcpy(head, line, length);
    buffer_clear(&self->line);
    self->dropping = 1;
    return buffer_add(&self->line, head, length) < 0 ? FAILED : GOES_ON;
}

static int
take_bytes(Interpreter *self, PyObject *items, const char *bytes, Py_ssize_t count)
{
    const char *at = bytes, *end = bytes + count;
    Py_ssize_t base = self->bytes_taken;
    self->bytes_taken += count;
    if (count && self->skip_lf) {
        self->skip_lf = 0;
        at += *at == '\n';
    }
    if (!self->line.length && !self->dropping)
        self->line_at = base + (at - bytes);
    Ends ends = find_ends(at, end);
    while (at < end) {
        const char *stop = line_end(&ends, at);
        if (stop == end) {
            if (hold(self, at, end - at) < 0)
                return FAILED;
            break;
        }
        int fault;
        if (self->line.length || self->dropping) {
            if (hold(self, at, stop - at) < 0)
                return FAILED;
            const char *line = self->line.room + self->line.start;
            fault = take_line(self, items, line, self->line.length);
            end_line(self);
        }
        else
            fault = take_line(self, items, at, stop - at);
        if (fault)
            return fault;
        at = next_line(stop, end);
        if (at > end) {
            self->skip_lf = 1;
            at = end;
        }
        self->line_at = base + (at - bytes);
    }
    int fault = check_held(self);
    if (fault > 0)
        end_line(self);
    return fault;
}

/* ---- events of one data line each, in bulk ---- */

static int
in_block(Interpreter *self)
{
    return self->data.length || self->type != NULL || self->new_retry != NULL
        || self->id != self->last_id;
}

/* The value of a data line of which a part is held; NULL without an error, if it is another. */
static PyObject *
joined_value(Interpreter *self, const char *part, Py_ssize_t count)
{
    Buffer *held = &self->line;
    Py_ssize_t length = held->length + count;
    char head[HEAD];
    Py_ssize_t old = held->length < HEAD ? held->length : HEAD;
    Py_ssize_t new = length < HEAD ? count : HEAD - old;
    if (old)
        memcpy(head, held->room + held->start, old);
    memcpy(head + old, part, new);
    if (length < 5 || memcmp(head, "data:", 5) != 0)
        return NULL;
    Py_ssize_t start = length > 5 && head[5] == ' ' ? 6 : 5;
    if (length - start > self->max_event)
        return NULL;
    PyObject *value = PyBytes_FromStringAndSize(NULL, length - start);
    if (value == NULL)
        return NULL;
    char *to = PyBytes_AS_STRING(value);
    if (start <= held->length) {
        memcpy(to, held->room + held->start + start, held->length - start);
        memcpy(to + held->length - start, part, count);
    }
    else
        memcpy(to, part + (start - held->length), length - start);
    return value;
}

static PyObject *
line_value(Interpreter *self, const char *line, Py_ssize_t length)
{
    if (length < 5 || memcmp(line, "data:", 5) != 0)
        return NULL;
    Py_ssize_t start = length > 5 && line[5] == ' ' ? 6 : 5;
    if (length - start > self->max_event)
        return NULL;
    return PyBytes_FromStringAndSize(line + start, length - start);
}

/*
 * The values of whole events, appended; where what they leave begins; NULL, if there is anything
 * else, with an error or without. Past the end as next_line() is.
 */
static const char *
plain_values(Interpreter *self, PyObject *values, const char *at, const char *end)
{
    Ends ends = find_ends(at, end);
    int joined = self->line.length > 0;
    while (at < end) {
        const char *stop = line_end(&ends, at);
        if (stop == end)
            break;
        PyObject *value = joined ? joined_value(self, at, stop - at)
                                 : line_value(self, at, stop - at);
        joined = 0;
        if (value == NULL || append_new(values, value) < 0)
            return NULL;
        at = next_line(stop, end);
        if (at >= end || (*at != '\n' && *at != '\r'))
            return NULL;
        at = next_line(at, end);
    }
    return PyList_GET_SIZE(values) ? at : NULL;
}

static PyObject *
take_plain(Interpreter *self, const char *bytes, Py_ssize_t count)
{
    /* No piece that fits into a line is above any limit. */
    const char *at = bytes, *end = bytes + count;
    if (self->careful || self->dropping || count == 0
        || self->line.length + count > self->max_data_line || self->line.length > SLICE
        || in_block(self))
        Py_RETURN_NONE;
    if (self->skip_lf)
        at += *at == '\n';
    PyObject *values = PyList_New(0);
    if (values == NULL)
        return NULL;
    at = plain_values(self, values, at, end);
    if (at == NULL) {
        Py_DECREF(values);
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    end_line(self);
    self->skip_lf = at > end;
    if (at > end)
        at = end;
    if (hold(self, at, end - at) < 0) {
        Py_DECREF(values);
        return NULL;
    }
    self->line_at = self->bytes_taken + (at - bytes);
    self->bytes_taken += count;
    self->events_seen += PyList_GET_SIZE(values);
    return values;
}

/* ---- methods ---- */

/* What is allocated may wake a finalizer, and that may call what it should not. */
static int
begin_work(Interpreter *self)
{
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "a parser was fed while it was at work");
        return -1;
    }
    self->busy = 1;
    return 0;
}

/* Mark the parser as broken, with Python's error set; allocates nothing, as memory may be short. */
static PyObject *
break_off(Interpreter *self)
{
    self->broken = self->careful = 1;
    return NULL;
}

static PyObject *
stop_at(Interpreter *self, int fault, PyObject *items)
{
    PyObject *offset = PyLong_FromSsize_t(self->line_at);
    PyObject *limit = PyUnicode_FromString(fault == EVENT_FAULT ? "event" : "line");
    PyObject *result = NULL;
    if (offset != NULL && limit != NULL)
        result = PyObject_CallMethodObjArgs(
            (PyObject *)self, self->state->stop_at, limit, offset, NULL);
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
take_locked(Interpreter *self, PyObject *data)
{
    PyObject *items = PyList_New(0);
    if (items == NULL)
        return break_off(self);
    if (begin_work(self) < 0) {
        Py_DECREF(items);
        return NULL;
    }
    int fault = take_bytes(self, items, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
    self->busy = 0;
    if (fault == FAILED) {
        Py_DECREF(items);
        return break_off(self);
    }
    return fault > 0 ? stop_at(self, fault, items) : items;
}

static PyObject *
take(Interpreter *self, PyObject *data)
{
    PyObject *items;
    if (!PyBytes_Check(data))
        return PyErr_Format(PyExc_TypeError, "bytes are taken, not %.100s", Py_TYPE(data)->tp_name);
    Py_BEGIN_CRITICAL_SECTION(self);
    items = take_locked(self, data);
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
        PyErr_SetString(PyExc_TypeError, "feed() takes one argument, data");
        return NULL;
    }
    PyObject *data = args[0];
    if (self->careful || !PyBytes_CheckExact(data) || PyBytes_GET_SIZE(data) > SLICE)
        return PyObject_CallMethodOneArg((PyObject *)self, state->feed_with_care, data);
    return take(self, data);
}

static PyObject *
plain_events_locked(Interpreter *self, PyObject *data)
{
    if (begin_work(self) < 0)
        return NULL;
    PyObject *values = take_plain(self, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
    self->busy = 0;
    return values != NULL ? values : break_off(self);
}

static PyObject *
plain_events(Interpreter *self, PyObject *data)
{
    PyObject *values;
    if (!PyBytes_CheckExact(data))
        Py_RETURN_NONE;
    Py_BEGIN_CRITICAL_SECTION(self);
    values = plain_events_locked(self, data);
    Py_END_CRITICAL_SECTION();
    return values;
}

static PyObject *
incomplete_event(Interpreter *self, PyObject *Py_UNUSED(ignored))
{
    if (begin_work(self) < 0)
        return NULL;
    int fault = GOES_ON;
    if (IS_FIELD(self->line.room + self->line.start, self->line.length, "data"))
        fault = take_data(self, self->line.room + self->line.start, self->line.length);
    end_line(self);
    PyObject *event = NULL;
    if (fault == GOES_ON && self->data.length)
        event = take_event(self);
    self->busy = 0;
    if (fault > 0)
        return stop_at(self, fault, Py_NewRef(Py_None));
    return event == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : event;
}

static PyObject *
keep_incomplete(Interpreter *self, PyObject *Py_UNUSED(ignored))
{
    Py_SETREF(self->last_id, Py_NewRef(self->id));
    self->events_seen++;
    Py_RETURN_NONE;
}

static PyObject *
let_go(Interpreter *self, PyObject *Py_UNUSED(ignored))
{
    if (begin_work(self) < 0)
        return NULL;
    end_line(self);
    clear_block(self);
    self->busy = 0;
    Py_RETURN_NONE;
}

static PyObject *
mid_event(Interpreter *self, PyObject *Py_UNUSED(ignored))
{
    Buffer *line = &self->line;
    return PyBool_FromLong((line->length && line->room[line->start] != ':') || in_block(self));
}

static PyObject *
skip(Interpreter *self, PyObject *count)
{
    Py_ssize_t bytes = PyLong_AsSsize_t(count);
    if (bytes == -1 && PyErr_Occurred())
        return NULL;
    self->bytes_taken += bytes;
    Py_RETURN_NONE;
}

static PyObject *
begin(Interpreter *self, PyObject *Py_UNUSED(ignored))
{
    if (begin_work(self) < 0)
        return NULL;
    end_line(self);
    clear_block(self);
    Py_XSETREF(self->id, Py_NewRef(self->last_id));
    self->events_seen = self->comments_seen = self->bytes_taken = self->line_at = 0;
    self->careful = 1;
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
        PyErr_Clear(); /* more than there is memory */
        return 0;
    }
    *limit = given < *limit ? given : *limit;
    return 0;
}

static int
init(Interpreter *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"last_event_id", "retry", "comments", "max_line", "max_event", NULL};
    PyObject *last_id, *retry, *max_line, *max_event;
    int comments;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$UOpOO", names, &last_id, &retry, &comments,
                                     &max_line, &max_event))
        return -1;
    if (limit_of(max_line, &self->max_line) < 0 || limit_of(max_event, &self->max_event) < 0)
        return -1;
    self->max_data_line = self->max_event + (Py_ssize_t)sizeof("data: ") - 1;
    if (self->max_data_line > self->max_line)
        self->max_data_line = self->max_line;
    self->comments = comments != 0;
    Py_XSETREF(self->last_id, Py_NewRef(last_id));
    Py_XSETREF(self->retry, retry == Py_None ? NULL : Py_NewRef(retry));
    PyObject *begun = begin(self, NULL);
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
    self->careful = 1;
    return (PyObject *)self;
}

static void
dealloc(Interpreter *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(self->line.room);
    PyMem_Free(self->data.room);
    Py_XDECREF(self->type);
    Py_XDECREF(self->id);
    Py_XDECREF(self->last_id);
    Py_XDECREF(self->retry);
    Py_XDECREF(self->new_retry);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(feed_doc, "feed($self, data)\n--\n\n\
Take a piece of the stream; return the events that it completes.\n\
\n\
Args:\n\
    data: Bytes, cut anywhere; none at all is no fault.\n\
\n\
Returns:\n\
    The events, and comments where asked for, in order. Where the piece holds a fault,\n\
    those before it; `error` is set then.\n\
\n\
Raises:\n\
    SSEError: The parser met a fault in an earlier feed: that fault; or an exception\n\
        interrupted an earlier call: BrokenStage.\n\
    RuntimeError: The parser was closed.\n\
    TypeError: The piece is not bytes.");

PyDoc_STRVAR(plain_events_doc, "plain_events($self, data)\n--\n\n\
Take events of one data line each in bulk; None, and nothing taken, for any other.");

static PyMethodDef methods[] = {
    {"feed", (PyCFunction)(void (*)(void))feed, METH_FASTCALL | METH_KEYWORDS, feed_doc},
    {"plain_events", (PyCFunction)plain_events, METH_O, plain_events_doc},
    {"_take", (PyCFunction)take, METH_O, NULL},
    {"_begin", (PyCFunction)begin, METH_NOARGS, NULL},
    {"_skip", (PyCFunction)skip, METH_O, NULL},
    {"_mid_event", (PyCFunction)mid_event, METH_NOARGS, NULL},
    {"_incomplete_event", (PyCFunction)incomplete_event, METH_NOARGS, NULL},
    {"_keep_incomplete", (PyCFunction)keep_incomplete, METH_NOARGS, NULL},
    {"_let_go", (PyCFunction)let_go, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"_careful", T_BOOL, offsetof(Interpreter, careful), 0, NULL},
    {"_broken", T_BOOL, offsetof(Interpreter, broken), 0, NULL},
    {"_last_event_id", T_OBJECT, offsetof(Interpreter, last_id), READONLY, NULL},
    {"_retry", T_OBJECT, offsetof(Interpreter, retry), READONLY, NULL},
    {"_events_seen", T_PYSSIZET, offsetof(Interpreter, events_seen), READONLY, NULL},
    {"_comments_seen", T_PYSSIZET, offsetof(Interpreter, comments_seen), READONLY, NULL},
    {"_bytes_taken", T_PYSSIZET, offsetof(Interpreter, bytes_taken), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Turn the bytes of a stream into events, where nothing needs care."},
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
        PyErr_Format(PyExc_TypeError, "%s is no class", name);
        Py_CLEAR(found);
    }
    return (PyTypeObject *)found;
}

static PyObject *
find_slot(PyTypeObject *type, const char *name)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, name);
    if (found != NULL && Py_TYPE(found)->tp_descr_set == NULL) {
        PyErr_Format(PyExc_TypeError, "%s of %s is no slot", name, type->tp_name);
        Py_CLEAR(found);
    }
    return found;
}

static int
find_events(State *state, PyObject *events)
{
    static const char *const names[] = {"data", "event", "id", "retry"};
    if ((state->event = find_class(events, "Event")) == NULL
        || (state->comment = find_class(events, "Comment")) == NULL
        || (state->comment_slot = find_slot(state->comment, "text")) == NULL)
        return -1;
    for (int i = 0; i < 4; i++)
        if ((state->event_slots[i] = find_slot(state->event, names[i])) == NULL)
            return -1;
    return 0;
}

static int
find_words(State *state)
{
    state->data = PyUnicode_InternFromString("data");
    state->message = PyUnicode_InternFromString("message");
    state->empty = PyUnicode_InternFromString("");
    state->feed_with_care = PyUnicode_InternFromString("_feed_with_care");
    state->stop_at = PyUnicode_InternFromString("_stop_at");
    return state->data && state->message && state->empty && state->feed_with_care
                && state->stop_at
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
    int failed = find_events(state, events) < 0 || find_words(state) < 0;
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
    Py_VISIT(state->comment_slot);
    for (int i = 0; i < 4; i++)
        Py_VISIT(state->event_slots[i]);
    return 0;
}

static int
clear(PyObject *self)
{
    State *state = PyModule_GetState(self);
    Py_CLEAR(state->event);
    Py_CLEAR(state->comment);
    Py_CLEAR(state->comment_slot);
    for (int i = 0; i < 4; i++)
        Py_CLEAR(state->event_slots[i]);
    Py_CLEAR(state->data);
    Py_CLEAR(state->message);
    Py_CLEAR(state->empty);
    Py_CLEAR(state->feed_with_care);
    Py_CLEAR(state->stop_at);
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
