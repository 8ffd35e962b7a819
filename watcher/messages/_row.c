/* The message of a row change, written straight from the change event's BSON: `message.Encoder` without Python's objects.
 *
 * Decoding an event into Python's objects and writing those as JSON takes 7 us for a small one; this takes 0.9 us. It knows what
 * nearly all events are made of, and for all else it returns None: unusual BSON types, damaged or ambiguous BSON (a key that comes
 * twice), values that need Python's care. Then `Encoder` does it in Python, which is the definition of the format; whenever this
 * gives a message, it is the same to the byte (tests/unit/test_native_row.py). So nothing in here ever raises for an event's sake.
 *
 * Whatever the event, the time is linear in its size, and other threads get their turn of the interpreter meanwhile.
 *
 * References are counted by functions of the interpreter that runs this, never by its headers' macros. One build serves all Pythons,
 * and the headers differ: to those of 3.12 and later None is immortal, so Py_RETURN_NONE counts nothing, while 3.11 counts it.
 *
 * BSON: https://bsonspec.org. All lengths come from the event and are checked against its end before anything is read.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Kept out of the way of what each event needs: 3 % of its time. */
#define RARE __attribute__((cold, noinline))

enum {
    DEEPEST = 128,        /* levels of nesting; MongoDB allows 100 */
    SEEN_WORDS = 16,      /* 1,024 bits for the hashes of a document's names */
    SCANS = 4,            /* so often a document's bytes are gone through in search of names that come twice, and */
    SCANNED = 1024,       /* so many bytes more; then a table is made */
    TURN_BYTES = 65536,   /* so often, by what was written or put into a table, it's asked whether other threads shall have their turn: */
    TURN_NAMES = 16384,   /* after about a millisecond */
    TURN_MS = 8,          /* then they have it; more than Python's switch interval (5 ms) */
    PIECE_BYTES = 8192,   /* of a long string */
};

enum {
    DOUBLE = 0x01, STRING = 0x02, DOCUMENT = 0x03, ARRAY = 0x04, BINARY = 0x05, OBJECT_ID = 0x07, BOOLEAN = 0x08, DATE = 0x09,
    NONE = 0x0A, INT32 = 0x10, TIMESTAMP = 0x11, INT64 = 0x12,
};

enum { GENERIC_BINARY = 0, UUID_BINARY = 4, OBJECT_ID_BYTES = 12, UUID_BYTES = 16 };

/* Milliseconds since 1970 of the years 1 to 9999, which have four digits. */
static const int64_t EARLIEST_MS = -62135596800000, LATEST_MS = 253402300799999;
static const int64_t DAY_MS = 86400000;

/* Doubles that both Python's repr and orjson write without an exponent. */
static const double SMALLEST_DOUBLE = 1e-3, LARGEST_DOUBLE = 1e15;

typedef struct {
    char *start, *end, *limit;
    size_t asked;  /* as many bytes were written when it was last asked whether others shall have their turn */
    int64_t since; /* ms, since when they had none; 0 as long as the event is a small one */
} Text;

/* An element's value; `type` is 0 where there is none. */
typedef struct {
    const unsigned char *start, *end;
    int type;
} Value;

typedef struct {
    const unsigned char *name;
    size_t name_length;
    Value value;
} Element;

/* ---- the text ---------------------------------------------------------------------------------------------------------------- */

static int reserve(Text *text, size_t more) {
    if ((size_t)(text->limit - text->end) >= more) return 1;
    size_t used = (size_t)(text->end - text->start), size = (size_t)(text->limit - text->start);
    size += size / 2 + more;
    char *grown = PyMem_Realloc(text->start, size);
    if (!grown) return 0;
    *text = (Text){grown, grown + used, grown + size, text->asked, text->since};
    return 1;
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Lets other threads run, as the interpreter itself does between two instructions of Python. Only one that has waited for a whole switch
 * interval is sure of its turn then, and each release of the lock lets it begin to wait anew: so not too often. */
static RARE void give_way(Text *text) {
    int64_t now = now_ms();
    if (!text->since) text->since = now;
    if (now - text->since < TURN_MS) return;
    PyEval_RestoreThread(PyEval_SaveThread());
    text->since = now_ms();
}

static inline void take_turns(Text *text) {
    size_t used = (size_t)(text->end - text->start);
    if (used - text->asked < TURN_BYTES) return;
    text->asked = used;
    give_way(text);
}

/* Only after `reserve`. */
static inline void put(Text *text, const void *bytes, size_t count) {
    memcpy(text->end, bytes, count);
    text->end += count;
}

#define PUT(text, literal) put(text, literal, sizeof(literal) - 1)

static int append(Text *text, const void *bytes, size_t count) {
    if (!reserve(text, count)) return 0;
    put(text, bytes, count);
    return 1;
}

#define APPEND(text, literal) append(text, literal, sizeof(literal) - 1)

/* The bytes of the UTF-8 character at `at`, which is not ASCII; 0 when it is no valid one (The Unicode Standard, table 3-7). */
static inline size_t utf8_length(const unsigned char *at, const unsigned char *end) {
    size_t length = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || (size_t)(end - at) < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    if (at[0] == 0xE0 && at[1] < 0xA0) return 0; /* overlong */
    if (at[0] == 0xED && at[1] > 0x9F) return 0; /* a surrogate */
    if (at[0] == 0xF0 && at[1] < 0x90) return 0; /* overlong */
    if (at[0] == 0xF4 && at[1] > 0x8F) return 0; /* beyond U+10FFFF */
    return length;
}

static inline int is_plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

/* Whether all eight bytes are, by "haszero" and "hasless" of Bit Twiddling Hacks; those can see one too many, but never miss one. */
static inline int are_plain(const unsigned char *at) {
    uint64_t word, ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    memcpy(&word, at, 8);
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    return !((word | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 0x20) & ~word)) & highs);
}

static void put_escaped(Text *text, unsigned char c) {
    static const char SHORT[] = "btn?fr", HEX[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        *text->end++ = '\\';
        *text->end++ = (char)c;
    } else if (c >= '\b' && c <= '\r' && c != '\v') {
        *text->end++ = '\\';
        *text->end++ = SHORT[c - '\b'];
    } else {
        PUT(text, "\\u00");
        *text->end++ = HEX[c >> 4];
        *text->end++ = HEX[c & 15];
    }
}

/* The characters that begin before `until`; returns where the next one begins, NULL when one is no valid UTF-8. Only after `reserve`:
 * each byte may become \u00xx, and the last character may go on for three more. */
static inline const unsigned char *put_characters(
    Text *text, const unsigned char *at, const unsigned char *until, const unsigned char *end) {
    while (at < until) {
        if (until - at >= 8 && are_plain(at)) {
            put(text, at, 8);
            at += 8;
        } else if (is_plain(*at)) {
            *text->end++ = (char)*at++;
        } else if (*at < 0x80) {
            put_escaped(text, *at++);
        } else {
            size_t bytes = utf8_length(at, end);
            if (!bytes) return NULL;
            put(text, at, bytes);
            at += bytes;
        }
    }
    return at;
}

/* Piece by piece, so that others have their turn, and memory is reserved for the escapes of one piece only. */
static int write_long_string(Text *text, const unsigned char *at, size_t length) {
    const unsigned char *end = at + length, *until;
    if (!APPEND(text, "\"")) return 0;
    for (; at && at < end; take_turns(text)) {
        until = end - at < PIECE_BYTES ? end : at + PIECE_BYTES;
        if (!reserve(text, 6 * (size_t)(until - at) + 3)) return 0;
        at = put_characters(text, at, until, end);
    }
    return at && APPEND(text, "\"");
}

static int write_string(Text *text, const unsigned char *at, size_t length) {
    if (length > PIECE_BYTES) return write_long_string(text, at, length);
    if (!reserve(text, 6 * length + 2)) return 0;
    *text->end++ = '"';
    if (!put_characters(text, at, at + length, at + length)) return 0;
    *text->end++ = '"';
    return 1;
}

static int write_integer(Text *text, int64_t number) {
    char digits[20], *first = digits + sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (!reserve(text, 21)) return 0;
    if (number < 0) *text->end++ = '-';
    put(text, first, (size_t)(digits + sizeof digits - first));
    return 1;
}

static int write_double(Text *text, double number) {
    if (number != number || number - number != 0) return APPEND(text, "null"); /* NaN, an infinity */
    double size = number < 0 ? -number : number;
    if (size >= LARGEST_DOUBLE || (size < SMALLEST_DOUBLE && size != 0)) return 0;
    char *digits = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (!digits) return 0;
    int done = append(text, digits, strlen(digits));
    PyMem_Free(digits);
    return done;
}

static void put_digits(Text *text, int64_t number, int count) {
    for (int i = count - 1; i >= 0; i--, number /= 10) text->end[i] = (char)('0' + number % 10);
    text->end += count;
}

static int write_date(Text *text, int64_t ms) {
    if (ms < EARLIEST_MS || ms > LATEST_MS || !reserve(text, 26)) return 0;
    int64_t days = ms / DAY_MS, in_day = ms % DAY_MS;
    if (in_day < 0) in_day += DAY_MS, days--;
    /* Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, civil_from_days; all days here are after the year 0. */
    days += 719468;
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153, day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    *text->end++ = '"';
    put_digits(text, year_of_era + era * 400 + (month <= 2), 4);
    *text->end++ = '-';
    put_digits(text, month, 2);
    *text->end++ = '-';
    put_digits(text, day, 2);
    *text->end++ = 'T';
    put_digits(text, in_day / 3600000, 2);
    *text->end++ = ':';
    put_digits(text, in_day / 60000 % 60, 2);
    *text->end++ = ':';
    put_digits(text, in_day / 1000 % 60, 2);
    *text->end++ = '.';
    put_digits(text, in_day % 1000, 3);
    PUT(text, "Z\"");
    return 1;
}

static void put_hex(Text *text, const unsigned char *bytes, size_t count) {
    static const char HEX[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *text->end++ = HEX[bytes[i] >> 4];
        *text->end++ = HEX[bytes[i] & 15];
    }
}

static int write_object_id(Text *text, const unsigned char *bytes) {
    if (!reserve(text, 2 * OBJECT_ID_BYTES + 2)) return 0;
    *text->end++ = '"';
    put_hex(text, bytes, OBJECT_ID_BYTES);
    *text->end++ = '"';
    return 1;
}

static int write_uuid(Text *text, const unsigned char *bytes) {
    static const int PARTS[] = {4, 2, 2, 2, 6};
    if (!reserve(text, 2 * UUID_BYTES + 6)) return 0;
    for (int i = 0; i < 5; bytes += PARTS[i++]) {
        *text->end++ = i ? '-' : '"';
        put_hex(text, bytes, (size_t)PARTS[i]);
    }
    *text->end++ = '"';
    return 1;
}

/* Whole groups of three bytes, or the end with its padding; there has to be room for it. */
static void put_base64(Text *text, const unsigned char *bytes, size_t count) {
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (; count; count -= count < 3 ? count : 3, bytes += 3) {
        uint32_t three = (uint32_t)bytes[0] << 16;
        if (count > 1) three |= (uint32_t)bytes[1] << 8;
        if (count > 2) three |= bytes[2];
        *text->end++ = ALPHABET[three >> 18];
        *text->end++ = ALPHABET[three >> 12 & 63];
        *text->end++ = count > 1 ? ALPHABET[three >> 6 & 63] : '=';
        *text->end++ = count > 2 ? ALPHABET[three & 63] : '=';
    }
}

static int write_base64(Text *text, const unsigned char *bytes, size_t count) {
    const size_t piece = PIECE_BYTES / 3 * 3;
    if (!APPEND(text, "\"")) return 0;
    for (; count > piece; count -= piece, bytes += piece, take_turns(text)) {
        if (!reserve(text, piece / 3 * 4)) return 0;
        put_base64(text, bytes, piece);
    }
    if (!reserve(text, (count + 2) / 3 * 4 + 1)) return 0;
    put_base64(text, bytes, count);
    *text->end++ = '"';
    return 1;
}

/* ---- BSON -------------------------------------------------------------------------------------------------------------------- */

static int32_t read_int32(const unsigned char *at) {
    return (int32_t)((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
}

static int64_t read_int64(const unsigned char *at) {
    return (int64_t)((uint64_t)(uint32_t)read_int32(at) | (uint64_t)(uint32_t)read_int32(at + 4) << 32);
}

/* The bytes of a value of `type` at `at`; 0 for a type that is not known here, and for one that goes beyond `end`. */
static size_t value_length(int type, const unsigned char *at, const unsigned char *end) {
    size_t available = (size_t)(end - at), length;
    switch (type) {
    case DOUBLE: case DATE: case INT64: case TIMESTAMP: length = 8; break;
    case BOOLEAN: length = 1; break;
    case INT32: length = 4; break;
    case OBJECT_ID: length = OBJECT_ID_BYTES; break;
    case STRING: case BINARY: case DOCUMENT: case ARRAY: {
        if (available < 5) return 0;
        int64_t stated = read_int32(at);
        if (type == STRING ? stated < 1 : type == BINARY ? stated < 0 : stated < 5) return 0;
        length = (size_t)stated + (type == STRING ? 4 : type == BINARY ? 5 : 0);
        break;
    }
    default: return 0;
    }
    if (length > available) return 0;
    /* Strings, documents and arrays end with a zero byte. */
    if ((type == STRING || type == DOCUMENT || type == ARRAY) && at[length - 1]) return 0;
    return length;
}

/* The next element of a document, of which `*at` moves on; 0 at its end and where it is damaged: at its end `*at` is `end`. */
static inline int next_element(const unsigned char **at, const unsigned char *end, Element *element) {
    if (*at >= end) return 0;
    int type = *(*at);
    const unsigned char *name = *at + 1, *zero = name < end ? memchr(name, 0, (size_t)(end - name)) : NULL;
    if (!zero) return 0;
    const unsigned char *value = zero + 1;
    size_t length = type == NONE ? 0 : value_length(type, value, end);
    if (!length && type != NONE) return 0;
    *element = (Element){name, (size_t)(zero - name), {value, value + length, type}};
    *at = value + length;
    return 1;
}

static inline int is_named(const Element *element, const char *name, size_t length) {
    return element->name_length == length && !memcmp(element->name, name, length);
}

#define IS_NAMED(element, name) is_named(element, name, sizeof(name) - 1)

/* Where the elements of a document or array begin and end; the zero byte after them was checked by `value_length`. */
static inline const unsigned char *first_element(const Value *value) { return value->start + 4; }
static inline const unsigned char *last_byte(const Value *value) { return value->end - 1; }

/* The field `name` of `document`, the only one of that name. 0 when there is none or are several, or the document is damaged. */
static int find(const Value *document, const char *name, Value *found) {
    const unsigned char *at = first_element(document), *end = last_byte(document);
    size_t length = strlen(name);
    Element element;
    found->type = 0;
    while (next_element(&at, end, &element))
        if (is_named(&element, name, length)) {
            if (found->type) return 0;
            *found = element.value;
        }
    return at == end && found->type;
}

/* ---- names that come twice ------------------------------------------------------------------------------------------------------ */

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

static size_t count_elements(Text *text, const Value *document) {
    const unsigned char *at = first_element(document);
    size_t count = 0;
    Element element;
    while (next_element(&at, last_byte(document), &element))
        if (++count % TURN_NAMES == 0) give_way(text);
    return count;
}

typedef struct {
    uint32_t name, next; /* where it stands in the document, and the number of the next one of its chain */
} Link;

/* Whether each name is new; 0 as well when memory is short. Names end with a zero byte, and none is at the document's first byte. */
static int fill_table(Text *text, const Value *document, uint32_t *chains, Link *links, int bits) {
    const unsigned char *at = first_element(document);
    uint32_t number = 0; /* 0 ends a chain */
    Element element;
    while (next_element(&at, last_byte(document), &element)) {
        uint32_t *chain = &chains[chain_of(&element, bits)];
        for (uint32_t i = *chain; i; i = links[i].next)
            if (!strcmp((const char *)document->start + links[i].name, (const char *)element.name)) return 0;
        links[++number] = (Link){(uint32_t)(element.name - document->start), *chain};
        *chain = number;
        if (number % TURN_NAMES == 0) give_way(text);
    }
    return 1;
}

static RARE int names_are_unique(Text *text, const Value *document) {
    size_t count = count_elements(text, document);
    int bits = 6;
    while (((size_t)1 << bits) < count) bits++;
    uint32_t *chains = PyMem_Calloc((size_t)1 << bits, sizeof *chains);
    Link *links = PyMem_Malloc((count + 1) * sizeof *links);
    int unique = chains && links && fill_table(text, document, chains, links, bits);
    PyMem_Free(links);
    PyMem_Free(chains);
    return unique;
}

/* The names of a document so far: one whose hash was not seen is new, and others are looked for. */
typedef struct {
    uint64_t seen[SEEN_WORDS];
    size_t scanned;
    int are_unique; /* all are, those to come as well */
} Names;

static inline int is_new(Text *text, Names *names, const Value *document, const Element *element) {
    if (names->are_unique) return 1;
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < element->name_length; i++) hash = (hash ^ element->name[i]) * 16777619u;
    uint64_t *word = &names->seen[(hash >> 6) % SEEN_WORDS], bit = (uint64_t)1 << (hash & 63);
    if (*word & bit) {
        size_t before = (size_t)(element->name - document->start);
        names->scanned += before;
        if (names->scanned > SCANS * before + SCANNED) return names->are_unique = names_are_unique(text, document);
        if (came_before(first_element(document), element)) return 0;
    }
    *word |= bit;
    return 1;
}

/* ---- BSON as JSON ------------------------------------------------------------------------------------------------------------ */

static int write_value(Text *text, const Value *value, int depth);

static int write_fields(Text *text, const Value *document, int depth) {
    const unsigned char *at = first_element(document), *end = last_byte(document);
    Names names = {{0}, 0, 0};
    Element element;
    int any = 0;
    if (!APPEND(text, "{")) return 0;
    for (; next_element(&at, end, &element); any = 1) {
        /* What looks like a DBRef is written in another order. */
        if (!is_new(text, &names, document, &element) || IS_NAMED(&element, "$ref")) return 0;
        if (any && !APPEND(text, ",")) return 0;
        if (!write_string(text, element.name, element.name_length) || !APPEND(text, ":")) return 0;
        if (!write_value(text, &element.value, depth)) return 0;
        take_turns(text);
    }
    return at == end && APPEND(text, "}");
}

static int write_items(Text *text, const Value *array, int depth) {
    const unsigned char *at = first_element(array), *end = last_byte(array);
    Element element;
    int any = 0;
    if (!APPEND(text, "[")) return 0;
    for (; next_element(&at, end, &element); any = 1) {
        if (any && !APPEND(text, ",")) return 0;
        if (!write_value(text, &element.value, depth)) return 0;
        take_turns(text);
    }
    return at == end && APPEND(text, "]");
}

static int write_binary(Text *text, const Value *value) {
    int subtype = value->start[4];
    const unsigned char *bytes = value->start + 5;
    size_t count = (size_t)(value->end - bytes);
    if (subtype == GENERIC_BINARY) return write_base64(text, bytes, count);
    return subtype == UUID_BINARY && count == UUID_BYTES && write_uuid(text, bytes);
}

static int write_value(Text *text, const Value *value, int depth) {
    const unsigned char *at = value->start;
    double number;
    uint64_t bits;
    switch (value->type) {
    case STRING: return write_string(text, at + 4, (size_t)(value->end - at) - 5);
    case INT32: return write_integer(text, read_int32(at));
    case INT64: return write_integer(text, read_int64(at));
    case BOOLEAN: return at[0] > 1 ? 0 : at[0] ? APPEND(text, "true") : APPEND(text, "false");
    case NONE: return APPEND(text, "null");
    case OBJECT_ID: return write_object_id(text, at);
    case DATE: return write_date(text, read_int64(at));
    case BINARY: return write_binary(text, value);
    case DOUBLE:
        bits = (uint64_t)read_int64(at);
        memcpy(&number, &bits, sizeof number);
        return write_double(text, number);
    case DOCUMENT: return depth < DEEPEST && write_fields(text, value, depth + 1);
    case ARRAY: return depth < DEEPEST && write_items(text, value, depth + 1);
    default: return 0;
    }
}

/* ---- the change event -------------------------------------------------------------------------------------------------------- */

/* The fields that a message is made of; in the order of a message where they are taken over as they are. */
enum { ID, OPERATION, NAMESPACE, KEY, WALL_TIME, DOCUMENT_AFTER, DOCUMENT_BEFORE, UPDATE, SNAPSHOT, FIELDS };

static const struct {
    const char *name;
    int type; /* 0: any */
} EVENT[FIELDS] = {
    [ID] = {"_id", DOCUMENT},           [OPERATION] = {"operationType", STRING}, [NAMESPACE] = {"ns", DOCUMENT},
    [KEY] = {"documentKey", DOCUMENT},  [WALL_TIME] = {"wallTime", DATE},        [DOCUMENT_AFTER] = {"fullDocument", 0},
    [DOCUMENT_BEFORE] = {"fullDocumentBeforeChange", 0},                         [UPDATE] = {"updateDescription", 0},
    [SNAPSHOT] = {"snapshot", STRING},
};

typedef struct {
    Value field[FIELDS], token, database, collection, key;
    int64_t time_ms;
} Event;

static int read_event(const unsigned char *bytes, size_t length, Event *event) {
    Value whole = {bytes, bytes + length, DOCUMENT};
    if (length < 5 || value_length(DOCUMENT, bytes, bytes + length) != length) return 0;
    const unsigned char *at = first_element(&whole), *end = last_byte(&whole);
    Element element;
    memset(event, 0, sizeof *event);
    while (next_element(&at, end, &element))
        for (int i = 0; i < FIELDS; i++) {
            if (!is_named(&element, EVENT[i].name, strlen(EVENT[i].name))) continue;
            if (event->field[i].type || (EVENT[i].type && EVENT[i].type != element.value.type)) return 0;
            event->field[i] = element.value;
            break;
        }
    if (at != end) return 0;
    for (int i = ID; i <= WALL_TIME; i++)
        if (!event->field[i].type) return 0;
    event->time_ms = read_int64(event->field[WALL_TIME].start);
    return event->time_ms >= 0 && find(&event->field[ID], "_data", &event->token) && event->token.type == STRING &&
           find(&event->field[NAMESPACE], "db", &event->database) && event->database.type == STRING &&
           find(&event->field[NAMESPACE], "coll", &event->collection) && event->collection.type == STRING &&
           find(&event->field[KEY], "_id", &event->key);
}

static int is_row(const Value *operation) {
    static const char *const ROWS[] = {"insert", "update", "replace", "delete"};
    size_t length = (size_t)(operation->end - operation->start) - 5;
    for (int i = 0; i < 4; i++)
        if (length == strlen(ROWS[i]) && !memcmp(operation->start + 4, ROWS[i], length)) return 1;
    return 0;
}

static int write_message(Text *text, const Event *event, const char *watcher, size_t watcher_length, int64_t sequence) {
    const Value *field = event->field;
    if (!APPEND(text, "{\"operationType\":") || !write_value(text, &field[OPERATION], 0)) return 0;
    if (!APPEND(text, ",\"database\":") || !write_value(text, &event->database, 0)) return 0;
    if (!APPEND(text, ",\"collection\":") || !write_value(text, &event->collection, 0)) return 0;
    if (!APPEND(text, ",\"documentKey\":") || !write_value(text, &field[KEY], 0)) return 0;
    if (!APPEND(text, ",\"timestamp\":") || !write_date(text, event->time_ms)) return 0;
    for (int i = DOCUMENT_AFTER; i <= UPDATE; i++) {
        if (!field[i].type) continue;
        if (!APPEND(text, ",\"") || !append(text, EVENT[i].name, strlen(EVENT[i].name)) || !APPEND(text, "\":")) return 0;
        if (!write_value(text, &field[i], 0)) return 0;
    }
    if (!APPEND(text, ",\"eventId\":") || !write_value(text, &event->token, 0)) return 0;
    if (!APPEND(text, ",\"watcher\":") || !append(text, watcher, watcher_length)) return 0;
    if (!APPEND(text, ",\"sequence\":") || !write_integer(text, sequence)) return 0;
    if (field[SNAPSHOT].type && (!APPEND(text, ",\"snapshot\":") || !write_value(text, &field[SNAPSHOT], 0))) return 0;
    return APPEND(text, "}");
}

/* ---- for Python -------------------------------------------------------------------------------------------------------------- */

static PyObject *as_str(const Value *string) {
    return PyUnicode_DecodeUTF8((const char *)string->start + 4, string->end - string->start - 5, NULL);
}

/* Not Py_RETURN_NONE: see above. */
static PyObject *none(void) {
    Py_IncRef(Py_None);
    return Py_None;
}

static PyObject *as_bytes(const char *from, const char *to) {
    if (to - from < TURN_BYTES) return PyBytes_FromStringAndSize(from, to - from);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, to - from);
    if (!bytes) return NULL;
    char *copy = PyBytes_AsString(bytes);
    PyThreadState *state = PyEval_SaveThread(); /* nobody else knows these bytes yet */
    memcpy(copy, from, (size_t)(to - from));
    PyEval_RestoreThread(state);
    return bytes;
}

/* (operation, database, collection, key, value, time in ms); NULL with an exception when memory is short. */
static PyObject *as_tuple(const Event *event, const Text *text, const char *value) {
    PyObject *parts[] = {
        as_str(&event->field[OPERATION]),
        as_str(&event->database),
        as_str(&event->collection),
        as_bytes(text->start, value),
        as_bytes(value, text->end),
        PyLong_FromLongLong(event->time_ms),
    };
    enum { COUNT = sizeof parts / sizeof *parts };
    PyObject *row = PyTuple_New(COUNT);
    int complete = row != NULL;
    for (int i = 0; i < COUNT; i++) complete &= parts[i] != NULL;
    for (int i = 0; i < COUNT; i++) {
        if (complete)
            PyTuple_SetItem(row, i, parts[i]); /* takes the reference over */
        else
            Py_DecRef(parts[i]);
    }
    if (complete) return row;
    Py_DecRef(row);
    return NULL;
}

static PyObject *row(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    char *bytes, *watcher;
    Py_ssize_t length, watcher_length;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "row() takes an event, a watcher's name as JSON, and a sequence number");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(arguments[0], &bytes, &length) || PyBytes_AsStringAndSize(arguments[1], &watcher, &watcher_length))
        return NULL;
    long long sequence = PyLong_AsLongLong(arguments[2]);
    if (sequence == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return NULL;
        PyErr_Clear();
        return none();
    }
    Event event;
    PyObject *result = NULL;
    size_t size = (size_t)length + (size_t)length / 4 + 512;
    if (read_event((const unsigned char *)bytes, (size_t)length, &event) && is_row(&event.field[OPERATION])) {
        Text text = {PyMem_Malloc(size), NULL, NULL, 0, 0};
        if (text.start) {
            text.end = text.start;
            text.limit = text.start + size;
            if (write_value(&text, &event.key, 0)) {
                size_t key_length = (size_t)(text.end - text.start); /* the text may move */
                if (write_message(&text, &event, watcher, (size_t)watcher_length, sequence))
                    result = as_tuple(&event, &text, text.start + key_length);
            }
            PyMem_Free(text.start);
        }
    }
    return result || PyErr_Occurred() ? result : none();
}

static PyMethodDef METHODS[] = {
    {"row", (PyCFunction)(void (*)(void))row, METH_FASTCALL,
     "row(event, watcher, sequence)\n--\n\n"
     "Operation, database, collection, key, value and time in ms of a row change's message; None for what is better left to Python."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "watcher.messages._row", "The messages of row changes, from BSON to JSON.", 0, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__row(void) {
    /* Only once, as a thread may have given way in the middle of a table. */
    if (secret[1] || !getentropy(secret, sizeof secret)) return PyModuleDef_Init(&MODULE);
    PyErr_SetString(PyExc_ImportError, "the system gives no random numbers");
    return NULL;
}
