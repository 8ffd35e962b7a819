/* Whether each name of a document is new: what a name that comes twice means is for Python to say. The time is linear, whatever names
 * somebody has chosen. */
#ifndef WATCHER_UNIQUE_NAMES_H
#define WATCHER_UNIQUE_NAMES_H

#include <stdlib.h>

#include "bson.h"

/* Kept out of the way of what each event needs: 3 % of its time. */
#define RARE __attribute__((cold, noinline))

enum {
    SEEN_WORDS = 16, /* 1,024 bits for the hashes of a document's names */
    SCANS = 4,       /* so often a document's bytes are gone through in search of names that come twice, and */
    SCANNED = 1024,  /* so many bytes more; then a table is made */
};

/* Whether one of the elements from `at` up to `element` has its name. */
static int came_before(const unsigned char *at, const Element *element) {
    Element other;
    while (next_element(&at, element->name - 1, &other))
        if (is_named(&other, (const char *)element->name, element->name_length)) return 1;
    return 0;
}

/* Random numbers of this process, so that nobody can choose names that fall into one chain of the table. */
static uint64_t secret[2];

/* A polynomial over the name, seven bytes a term, modulo 2^61 - 1, at a secret point (Carter, Wegman: Universal Classes of Hash
 * Functions, 1979): two names of up to n terms meet there with a probability of n / 2^61. */
static uint64_t polynomial(const unsigned char *name, size_t length) {
    const uint64_t prime = ((uint64_t)1 << 61) - 1, point = secret[0] >> 3;
    uint64_t sum = length;
    for (size_t count; length; name += count, length -= count) {
        uint64_t term = 0;
        count = length < 7 ? length : 7;
        memcpy(&term, name, count);
        unsigned __int128 product = (unsigned __int128)sum * point + term;
        sum = (uint64_t)(product & prime) + (uint64_t)(product >> 61);
        sum = (sum & prime) + (sum >> 61);
    }
    return sum;
}

/* One of 2^`bits` chains (Dietzfelbinger and others: A Reliable Randomized Algorithm for the Closest-Pair Problem, 1997). */
static uint32_t chain_of(const Element *element, int bits) {
    return (uint32_t)((polynomial(element->name, element->name_length) * (secret[1] | 1)) >> (64 - bits));
}

static size_t count_elements(const Value *document) {
    const unsigned char *at = first_element(document);
    size_t count = 0;
    Element element;
    while (next_element(&at, last_byte(document), &element)) count++;
    return count;
}

typedef struct {
    uint32_t name, next; /* where it stands in the document, and the number of the next one of its chain */
} Link;

/* Whether each name is new; 0 as well when memory is short. Names end with a zero byte, and none is at the document's first byte. */
static int fill_table(const Value *document, uint32_t *chains, Link *links, int bits) {
    const unsigned char *at = first_element(document);
    uint32_t number = 0; /* 0 ends a chain */
    Element element;
    while (next_element(&at, last_byte(document), &element)) {
        uint32_t *chain = &chains[chain_of(&element, bits)];
        for (uint32_t i = *chain; i; i = links[i].next)
            if (!strcmp((const char *)document->start + links[i].name, (const char *)element.name)) return 0;
        links[++number] = (Link){(uint32_t)(element.name - document->start), *chain};
        *chain = number;
    }
    return 1;
}

static RARE int names_are_unique(const Value *document) {
    size_t count = count_elements(document);
    int bits = 6;
    while (((size_t)1 << bits) < count) bits++;
    uint32_t *chains = calloc((size_t)1 << bits, sizeof *chains);
    Link *links = malloc((count + 1) * sizeof *links);
    int unique = chains && links && fill_table(document, chains, links, bits);
    free(links);
    free(chains);
    return unique;
}

/* The names of a document so far: one whose hash was not seen is new, and others are looked for. */
typedef struct {
    uint64_t seen[SEEN_WORDS];
    size_t scanned;
    int are_unique; /* all are, those to come as well */
} Names;

static inline int is_new(Names *names, const Value *document, const Element *element) {
    if (names->are_unique) return 1;
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < element->name_length; i++) hash = (hash ^ element->name[i]) * 16777619u;
    uint64_t *word = &names->seen[(hash >> 6) % SEEN_WORDS], bit = (uint64_t)1 << (hash & 63);
    if (*word & bit) {
        size_t before = (size_t)(element->name - document->start);
        names->scanned += before;
        if (names->scanned > SCANS * before + SCANNED) return names->are_unique = names_are_unique(document);
        if (came_before(first_element(document), element)) return 0;
    }
    *word |= bit;
    return 1;
}

#endif
