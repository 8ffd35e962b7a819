/* Templates: where the values are in an event, and what stands around them in a message's key and value. They come from Python
 * (`template.py`), so this knows no envelope. */
#ifndef WATCHER_TEMPLATE_H
#define WATCHER_TEMPLATE_H

#include "avro.h"
#include "values.h"

enum { MOST_PLACES = 32, MOST_CASES = 8, MOST_TEXTS = 10 };

/* What is put behind a literal, where it is no place: the number, nothing, or nothing as the text ends there. The number's form is how
 * many digits it has at least, 0 or ALL_DIGITS. */
enum { NUMBER = -1, NOTHING = -2, END_OF_TEXT = -3 };

/* Where a value is: a field of the event itself (`parent` is OUTERMOST) or of a document in it, whose place has a lower number. */
typedef struct {
    const char *name;
    size_t length;
    int parent, type /* 0: any */, is_optional;
} Place;

enum { OUTERMOST = -1, NO_PLACE = -1 };

/* A literal, and the value behind it. Both are left out when the value has an optional place and is not there; the literal stands in
 * its stead with the form UNLESS_THERE, and only then. */
typedef struct {
    const char *literal;
    size_t length;
    int value, form;
} Step;

/* What is made of an event whose deciding value is the string `text`, if `condition` is no place or one whose value is there: the
 * `texts` that the steps write, which are key, value and those of headers, and `messages` in all. Python makes those that follow the
 * first, from it alone. */
typedef struct {
    const char *text;
    size_t length;
    Step *steps;
    int count, condition, texts, messages;
} Case;

/* `database`, `collection` and `time` are the places of what a message is about. If there are records, the texts of key and value are
 * their columns. */
typedef struct {
    Place places[MOST_PLACES];
    Case cases[MOST_CASES];
    Record records[MOST_RECORDS];
    int place_count, outermost_count, case_count, record_count, deciding, database, collection, time;
} Template;

static int find_places(const Template *template, const unsigned char *bytes, size_t length, Value *found) {
    Value whole = {bytes, bytes + length, DOCUMENT};
    if (length < 5 || value_length(DOCUMENT, bytes, bytes + length) != length) return 0;
    const unsigned char *at = first_element(&whole), *end = last_byte(&whole);
    Element element;
    for (int i = 0; i < template->place_count; i++) found[i].type = 0;
    while (next_element(&at, end, &element))
        for (int i = 0; i < template->outermost_count; i++) {
            const Place *place = &template->places[i];
            if (!is_named(&element, place->name, place->length)) continue;
            if (found[i].type) return 0;
            found[i] = element.value;
            break;
        }
    if (at != end) return 0;
    for (int i = 0; i < template->place_count; i++) {
        const Place *place = &template->places[i];
        const Value *parent = place->parent == OUTERMOST ? NULL : &found[place->parent];
        if (parent && parent->type && !find(parent, place->name, place->length, &found[i])) return 0;
        if (found[i].type ? place->type && place->type != found[i].type : !place->is_optional) return 0;
    }
    return 1;
}

/* The first case that fits. */
static const Case *choose(const Template *template, const Value *found) {
    const Value *deciding = &found[template->deciding];
    size_t length = (size_t)(deciding->end - deciding->start) - 5;
    for (int i = 0; i < template->case_count; i++) {
        const Case *one = &template->cases[i];
        if (one->condition != NO_PLACE && !found[one->condition].type) continue;
        if (length == one->length && !memcmp(deciding->start + 4, one->text, length)) return one;
    }
    return NULL;
}

/* All texts, and where they end. An empty one is a value that is not there: what that means is for Python to say. */
static int write_texts(Text *text, const Case *one, const Value *found, int64_t number, size_t *ends) {
    size_t begin = length_of(text);
    for (const Step *step = one->steps, *last = step + one->count; step < last; step++) {
        const Value *value = step->value >= 0 ? &found[step->value] : NULL;
        if (value && !value->type == (step->form != UNLESS_THERE)) continue;
        if (!append(text, step->literal, step->length)) return 0;
        if (value && value->type && !write_in_form(text, value, step->form)) return 0;
        if (step->value == NUMBER && !(step->form ? write_all_digits(text, number) : write_integer(text, number))) return 0;
        if (step->value != END_OF_TEXT) continue;
        *ends = length_of(text);
        if (*ends == begin) return 0;
        begin = *ends++;
    }
    return 1;
}

#endif
