/* The keys and values of a batch's messages, one behind the other in one text. Nothing here needs the interpreter. */
#ifndef WATCHER_BATCH_H
#define WATCHER_BATCH_H

#include "template.h"

enum { MOST_ROUTES = 64 };

/* An event, and what was written of it. `route` is the number of the first event of its operation, database and collection. */
typedef struct {
    const unsigned char *bytes;
    size_t length;
    const Case *one;
    Value database, collection, id;
    int64_t number, time_ms;
    size_t begin, ends[2]; /* of key and value, in the text */
    int route;
} Event;

static inline size_t key_size(const Event *event) { return event->ends[0] - event->begin; }
static inline size_t value_size(const Event *event) { return event->ends[1] - event->ends[0]; }

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

static int write_event(const Template *template, Event *event, int64_t number, Text *text) {
    Value found[MOST_PLACES];
    if (!find_places(template, event->bytes, event->length, found) || !(event->one = choose(template, found))) return 0;
    event->database = found[template->database];
    event->collection = found[template->collection];
    event->id = template->id == NO_PLACE ? (Value){NULL, NULL, 0} : found[template->id];
    event->number = number;
    event->time_ms = read_int64(found[template->time].start);
    event->begin = length_of(text);
    if (event->time_ms > LATEST_MS || !write_texts(text, event->one, found, number, event->ends)) return 0;
    if (value_size(event) == 4 && !memcmp(text->end - 4, "null", 4)) { /* such a message is a tombstone: it has no value */
        text->end -= 4;
        event->ends[1] = event->ends[0];
    }
    return 1;
}

/* Writes the messages of the events, numbered from `number`, until the values have `most` bytes or more; returns of how many events. The
 * one behind them is better left to Python, unless there are as many as that. */
static int write_batch(const Template *template, Event *events, int count, int64_t number, size_t most, Text *text) {
    int routes[MOST_ROUTES], route_count = 0, done = 0;
    uint64_t next = (uint64_t)number; /* it ends where numbers do */
    for (size_t size = 0; done < count && size < most && next <= INT64_MAX; done++) {
        size_t before = length_of(text);
        if (!write_event(template, &events[done], (int64_t)next, text) || !find_route(events, done, routes, &route_count)) {
            text->end = text->start + before;
            break;
        }
        size += value_size(&events[done]);
        next += (uint64_t)events[done].one->messages;
    }
    return done;
}

#endif
