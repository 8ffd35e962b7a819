/* The keys, values and headers of a batch's messages, one behind the other in one text. Nothing here needs the interpreter. */
#ifndef WATCHER_BATCH_H
#define WATCHER_BATCH_H

#include "template.h"

enum { MOST_ROUTES = 64 };

/* An event, and what was written of it. `route` is the number of the first event of its operation, database and collection. */
typedef struct {
    const unsigned char *bytes;
    size_t length;
    const Case *one;
    Value database, collection;
    int64_t time_ms;
    size_t begin, ends[MOST_TEXTS]; /* of key, value, and what varies in headers, in the text */
    int route, is_tombstone;
} Event;

static inline size_t key_size(const Event *event) { return event->ends[0] - event->begin; }
static inline size_t value_size(const Event *event) { return event->is_tombstone ? 0 : event->ends[1] - event->ends[0]; }

static inline int are_same(const Value *one, const Value *other) {
    size_t length = (size_t)(one->end - one->start);
    return length == (size_t)(other->end - other->start) && !memcmp(one->start, other->start, length);
}

static inline int have_one_route(const Event *one, const Event *other) {
    return one->one == other->one && are_same(&one->collection, &other->collection) && are_same(&one->database, &other->database);
}

/* Sets the route of events[number], most likely that of the one before it. `routes` has their numbers, the latest last. 0 when there are
 * too many. */
static int find_route(Event *events, int number, int *routes, int *count) {
    Event *here = &events[number];
    for (int i = *count - 1; i >= 0; i--)
        if (have_one_route(&events[routes[i]], here)) {
            here->route = routes[i];
            return 1;
        }
    if (*count == MOST_ROUTES) return 0;
    routes[(*count)++] = here->route = number;
    return 1;
}

/* Key and value as records, out of their columns, and the other texts as they are. */
static int write_records(const Template *template, Event *event, const Text *columns, Text *text) {
    const char *at = columns->start;
    event->begin = length_of(text);
    for (int i = 0; i < event->one->texts; i++) {
        const char *end = columns->start + event->ends[i];
        int is_record = i == 0 || (i == 1 && !event->is_tombstone);
        if (is_record && !append_record(text, template->records, template->record_count, at, end)) return 0;
        if (!is_record && !append(text, at, (size_t)(end - at))) return 0;
        event->ends[i] = length_of(text);
        at = end;
    }
    return 1;
}

/* `columns` is used where there are records. */
static int write_event(const Template *template, Event *event, int64_t number, Text *columns, Text *text) {
    Value found[MOST_PLACES];
    if (!find_places(template, event->bytes, event->length, found) || !(event->one = choose(template, found))) return 0;
    event->database = found[template->database];
    event->collection = found[template->collection];
    event->time_ms = read_int64(found[template->time].start);
    event->begin = length_of(text);
    Text *written = template->record_count ? columns : text;
    if (template->record_count) columns->end = columns->start;
    if (event->time_ms > LATEST_MS || !write_texts(written, event->one, found, number, event->ends)) return 0;
    event->is_tombstone = is_null_word(written->start + event->ends[0], event->ends[1] - event->ends[0]);
    return !template->record_count || write_records(template, event, columns, text);
}

/* Writes the messages of the events, numbered from `number`, until the values have `most` bytes or more; returns of how many events. The
 * one behind them is better left to Python, unless there are as many as that. */
static int write_batch(
    const Template *template, Event *events, int count, int64_t number, size_t most, Text *columns, Text *text) {
    int routes[MOST_ROUTES], route_count = 0, done = 0;
    uint64_t next = (uint64_t)number; /* it ends where numbers do */
    for (size_t size = 0; done < count && size < most && next <= INT64_MAX; done++) {
        size_t before = length_of(text);
        if (!write_event(template, &events[done], (int64_t)next, columns, text) || !find_route(events, done, routes, &route_count)) {
            text->end = text->start + before;
            break;
        }
        size += value_size(&events[done]);
        next += (uint64_t)events[done].one->messages;
    }
    return done;
}

#endif
