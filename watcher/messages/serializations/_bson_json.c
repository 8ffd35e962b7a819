/* Writes BSON values as JSON, straight into templates, without Python's objects.
 *
 * Decoding an event into Python's objects and writing those as JSON takes 7 us for a small one; this takes 0.9 us. A template comes
 * from Python (`template.py`): it says where the values are in an event, and what stands around them in a message. So this knows
 * nothing of any message. It can write the values that nearly all events are made of. For all else it returns None: unusual BSON
 * types, damaged or ambiguous BSON (a key that comes twice), values that need Python's care. Then Python does it, which is the
 * definition of the format; whenever this gives texts, they are the same to the byte (tests/unit/test_native_json.py). So nothing here
 * ever raises for an event's sake.
 *
 * Whatever the event, the time is linear in its size, and other threads get their turn of the interpreter meanwhile.
 *
 * References are counted by functions of the interpreter that runs this, never by its headers' macros. One build serves all Pythons,
 * and the headers differ: to those of 3.12 and later None is immortal, so Py_RETURN_NONE counts nothing, while 3.11 counts it. Nor are
 * arguments parsed by formats with `#`: compiled with the headers of 3.13, they fail on earlier Pythons.
 *
 * BSON: https://bsonspec.org. All lengths come from the event and are checked against its end before anything is read.
 */
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

/* The ways of writing BSON as JSON, by the codes that Python gives them (`template.py`). */
enum { PLAIN = 0, EXTENDED = 1, STRICT = 2 };

typedef struct {
    char *start, *end, *limit;
    size_t asked;  /* as many bytes were written when it was last asked whether others shall have their turn */
    int64_t since; /* ms, since when they had none; 0 as long as the event is a small one */
    int dialect;
    int is_spaced; /* a space follows each colon */
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
    text->start = grown;
    text->end = grown + used;
    text->limit = grown + size;
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

static inline int append_colon(Text *text) { return text->is_spaced ? APPEND(text, ": ") : APPEND(text, ":"); }

/* The beginning of an object's first field, and of one that follows. */
#define OPEN(text, name) (APPEND(text, "{\"" name "\"") && append_colon(text))
#define NEXT(text, name) (APPEND(text, ",\"" name "\"") && append_colon(text))

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
    if (number != number || number - number != 0) return text->dialect == PLAIN && APPEND(text, "null"); /* NaN, an infinity */
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

static int write_quoted_integer(Text *text, int64_t number) {
    return APPEND(text, "\"") && write_integer(text, number) && APPEND(text, "\"");
}

static int write_int64(Text *text, int64_t number) {
    if (text->dialect != STRICT) return write_integer(text, number);
    return OPEN(text, "$numberLong") && write_quoted_integer(text, number) && APPEND(text, "}");
}

static int write_iso_time(Text *text, int64_t ms, int with_milliseconds) {
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
    if (with_milliseconds) {
        *text->end++ = '.';
        put_digits(text, in_day % 1000, 3);
    }
    PUT(text, "Z\"");
    return 1;
}

static int write_date(Text *text, int64_t ms) {
    if (text->dialect == PLAIN) return write_iso_time(text, ms, 1);
    if (!OPEN(text, "$date")) return 0;
    if (text->dialect == STRICT) return write_integer(text, ms) && APPEND(text, "}");
    if (ms >= 0 && ms <= LATEST_MS) return write_iso_time(text, ms, ms % 1000 != 0) && APPEND(text, "}");
    return OPEN(text, "$numberLong") && write_quoted_integer(text, ms) && APPEND(text, "}}");
}

/* `increment` counts within the second. */
static int write_timestamp(Text *text, uint32_t seconds, uint32_t increment) {
    return OPEN(text, "$timestamp") && OPEN(text, "t") && write_integer(text, seconds) && NEXT(text, "i") &&
        write_integer(text, increment) && APPEND(text, "}}");
}

static void put_hex(Text *text, const unsigned char *bytes, size_t count) {
    static const char HEX[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *text->end++ = HEX[bytes[i] >> 4];
        *text->end++ = HEX[bytes[i] & 15];
    }
}

static int write_object_id(Text *text, const unsigned char *bytes) {
    int is_plain = text->dialect == PLAIN;
    if ((!is_plain && !OPEN(text, "$oid")) || !reserve(text, 2 * OBJECT_ID_BYTES + 3)) return 0;
    *text->end++ = '"';
    put_hex(text, bytes, OBJECT_ID_BYTES);
    *text->end++ = '"';
    if (!is_plain) *text->end++ = '}';
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

/* The field `name` of `document`, whose type is 0 if there is none. 0 when there are several, or the document is damaged. */
static int find(const Value *document, const char *name, size_t length, Value *found) {
    const unsigned char *at = first_element(document), *end = last_byte(document);
    Element element;
    found->type = 0;
    while (next_element(&at, end, &element))
        if (is_named(&element, name, length)) {
            if (found->type) return 0;
            *found = element.value;
        }
    return at == end;
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
        if (!write_string(text, element.name, element.name_length) || !append_colon(text)) return 0;
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
    if (subtype != GENERIC_BINARY && subtype != UUID_BINARY) return 0;
    switch (text->dialect) {
    case PLAIN:
        if (subtype == GENERIC_BINARY) return write_base64(text, bytes, count);
        return count == UUID_BYTES && write_uuid(text, bytes);
    case EXTENDED:
        if (!OPEN(text, "$binary") || !OPEN(text, "base64") || !write_base64(text, bytes, count) || !NEXT(text, "subType")) return 0;
        return subtype == GENERIC_BINARY ? APPEND(text, "\"00\"}}") : APPEND(text, "\"04\"}}");
    default:
        if (!OPEN(text, "$binary") || !write_base64(text, bytes, count) || !NEXT(text, "$type")) return 0;
        return subtype == GENERIC_BINARY ? APPEND(text, "\"00\"}") : APPEND(text, "\"04\"}");
    }
}

static int write_value(Text *text, const Value *value, int depth) {
    const unsigned char *at = value->start;
    double number;
    uint64_t bits;
    switch (value->type) {
    case STRING: return write_string(text, at + 4, (size_t)(value->end - at) - 5);
    case INT32: return write_integer(text, read_int32(at));
    case INT64: return write_int64(text, read_int64(at));
    case TIMESTAMP: return write_timestamp(text, (uint32_t)read_int32(at + 4), (uint32_t)read_int32(at));
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

/* ---- forms of a value ----------------------------------------------------------------------------------------------------------- */

/* A dialect, to which these are added: within a string; with a space after each colon. Or one of the others, which have none: numbers
 * out of a date, a timestamp, or an integer; an array of strings; nothing, as the literal stands for a value that is not there. */
enum {
    DIALECT = 3, IN_STRING = 4, SPACED = 8,
    MILLISECONDS = 16, INCREMENT = 48, INTEGER = 64, STRINGS = 80, UNLESS_THERE = 96, KIND = 112,
};

/* How many of eight bytes are a quotation mark or a backslash; "haszero" of Bit Twiddling Hacks in its exact form. */
static inline size_t count_escapes(const char *at) {
    uint64_t word, ones = 0x0101010101010101u, lows = 0x7F7F7F7F7F7F7F7Fu;
    memcpy(&word, at, 8);
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    uint64_t found = ~(((quote & lows) + lows) | quote | lows) | ~(((backslash & lows) + lows) | backslash | lows);
    return (size_t)__builtin_popcountll(found);
}

/* Escapes what was written from `begin` on, in place and from its end. It is JSON, which has no control characters. */
static int escape(Text *text, size_t begin) {
    size_t count = 0, length = (size_t)(text->end - text->start) - begin, at = 0;
    const char *from = text->start + begin;
    for (; at + 8 <= length; at += 8) {
        count += count_escapes(from + at);
        if (at && at % TURN_BYTES == 0) give_way(text);
    }
    for (; at < length; at++) count += from[at] == '"' || from[at] == '\\';
    if (!reserve(text, count)) return 0;
    from = text->end;
    char *to = text->end += count;
    while (from < to) {
        const char *until = from - text->start > TURN_BYTES ? from - TURN_BYTES : text->start;
        while (from < to && from > until) {
            char c = *--to = *--from;
            if (c == '"' || c == '\\') *--to = '\\';
        }
        if (length > TURN_BYTES) give_way(text);
    }
    return 1;
}

static int write_in_string(Text *text, const Value *value) {
    if (value->type == NONE) return APPEND(text, "null");
    if (!APPEND(text, "\"")) return 0;
    size_t begin = (size_t)(text->end - text->start);
    return write_value(text, value, 0) && escape(text, begin) && APPEND(text, "\"");
}

/* An empty array is null. */
static int write_strings(Text *text, const Value *value) {
    if (value->type != ARRAY) return 0;
    const unsigned char *at = first_element(value);
    Element element;
    if (at == last_byte(value)) return APPEND(text, "null");
    while (next_element(&at, last_byte(value), &element))
        if (element.value.type != STRING) return 0;
    return write_items(text, value, 0);
}

static int write_in_form(Text *text, const Value *value, int form) {
    const unsigned char *at = value->start;
    text->dialect = form & DIALECT;
    text->is_spaced = form & SPACED;
    switch (form & KIND) {
    case MILLISECONDS: return value->type == DATE && read_int64(at) && write_integer(text, read_int64(at)); /* zeros may follow it */
    case INCREMENT: return value->type == TIMESTAMP && write_integer(text, (uint32_t)read_int32(at));
    case INTEGER: return value->type == INT64 && write_integer(text, read_int64(at));
    case STRINGS: return write_strings(text, value);
    default: return form & IN_STRING ? write_in_string(text, value) : write_value(text, value, 0);
    }
}

/* ---- templates ---------------------------------------------------------------------------------------------------------------- */

enum { MOST_PLACES = 32, MOST_CASES = 8, MOST_TEXTS = 4 };

/* What is put behind a literal, where it is no place: the number, nothing, or nothing as the text ends there. */
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

/* The texts to be made if the deciding value is the string `text`, and `condition` is no place or one whose value is there. */
typedef struct {
    PyObject *name;
    const char *text;
    size_t length;
    Step *steps;
    int count, condition;
} Case;

typedef struct {
    PyObject *source; /* the tuple it was made of, which holds all names and literals */
    Place places[MOST_PLACES];
    int returned[MOST_PLACES];
    Case cases[MOST_CASES];
    int place_count, outermost_count, returned_count, case_count, deciding;
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

/* `ends` are the ends of the texts, counted from the beginning of the first. What an empty text means is for Python to say. */
static int write_texts(Text *text, const Case *one, const Value *found, int64_t number, size_t *ends) {
    size_t begin = 0;
    for (const Step *step = one->steps, *last = step + one->count; step < last; step++) {
        const Value *value = step->value >= 0 ? &found[step->value] : NULL;
        if (value && !value->type == (step->form != UNLESS_THERE)) continue;
        if (!append(text, step->literal, step->length)) return 0;
        if (value && value->type && !write_in_form(text, value, step->form)) return 0;
        if (step->value == NUMBER && !write_integer(text, number)) return 0;
        if (step->value != END_OF_TEXT) continue;
        *ends = (size_t)(text->end - text->start);
        if (*ends == begin) return 0;
        begin = *ends++;
    }
    return 1;
}

/* ---- for Python -------------------------------------------------------------------------------------------------------------- */

/* Not Py_RETURN_NONE: see above. */
static PyObject *none(void) {
    Py_IncRef(Py_None);
    return Py_None;
}

/* A string as str, a date as milliseconds since 1970. */
static PyObject *as_object(const Value *value) {
    if (value->type == DATE) return PyLong_FromLongLong(read_int64(value->start));
    return PyUnicode_DecodeUTF8((const char *)value->start + 4, value->end - value->start - 5, NULL);
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

/* Takes the reference over. */
static int put_into(PyObject *tuple, Py_ssize_t *at, PyObject *item) { return item && !PyTuple_SetItem(tuple, (*at)++, item); }

/* (name of the case, the returned values, the texts); NULL with an exception when memory is short or a string is no UTF-8. */
static PyObject *as_tuple(const Template *template, const Case *one, const Value *found, const Text *text, const size_t *ends) {
    Py_ssize_t texts = 0, at = 0;
    for (int i = 0; i < one->count; i++) texts += one->steps[i].value == END_OF_TEXT;
    PyObject *filled = PyTuple_New(1 + template->returned_count + texts);
    if (!filled) return NULL;
    Py_IncRef(one->name);
    int complete = put_into(filled, &at, one->name);
    for (int i = 0; complete && i < template->returned_count; i++)
        complete = put_into(filled, &at, as_object(&found[template->returned[i]]));
    for (size_t i = 0, begin = 0; complete && i < (size_t)texts; begin = ends[i++])
        complete = put_into(filled, &at, as_bytes(text->start + begin, text->start + ends[i]));
    if (complete) return filled;
    Py_DecRef(filled);
    return NULL;
}

static PyObject *filled(const Template *template, const unsigned char *bytes, size_t length, int64_t number) {
    Value found[MOST_PLACES];
    size_t ends[MOST_TEXTS], size = length + length / 4 + 512;
    const Case *one;
    PyObject *result = NULL;
    if (!find_places(template, bytes, length, found) || !(one = choose(template, found))) return NULL;
    Text text = {PyMem_Malloc(size), NULL, NULL, 0, 0, PLAIN, 0};
    if (!text.start) return NULL;
    text.end = text.start;
    text.limit = text.start + size;
    if (write_texts(&text, one, found, number, ends)) result = as_tuple(template, one, found, &text, ends);
    PyMem_Free(text.start);
    return result;
}

static const char CAPSULE[] = "template";

static PyObject *fill(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    char *bytes;
    Py_ssize_t length;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "fill() takes a template, an event, and a number");
        return NULL;
    }
    const Template *template = PyCapsule_GetPointer(arguments[0], CAPSULE);
    if (!template) {
        PyErr_SetString(PyExc_TypeError, "fill() takes what template() has made");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(arguments[1], &bytes, &length)) return NULL;
    long long number = PyLong_AsLongLong(arguments[2]);
    if (number == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return NULL;
        PyErr_Clear();
        return none();
    }
    PyObject *result = filled(template, (const unsigned char *)bytes, (size_t)length, number);
    if (!result && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) PyErr_Clear();
    return result || PyErr_Occurred() ? result : none();
}

/* ---- making a template; what it is made of stays in `source` ------------------------------------------------------------------- */

static int refuse(const char *why) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, why);
    return 0;
}

static int take_bytes(PyObject *source, const char **bytes, size_t *length) {
    char *start;
    Py_ssize_t count;
    if (PyBytes_AsStringAndSize(source, &start, &count)) return 0;
    *bytes = start;
    *length = (size_t)count;
    return 1;
}

static int take_place(Template *template, PyObject *source) {
    PyObject *name;
    int number = template->place_count;
    Place *place = &template->places[number];
    if (number == MOST_PLACES || !PyTuple_Check(source)) return refuse("too many places, or one that is no tuple");
    if (!PyArg_ParseTuple(source, "iOip", &place->parent, &name, &place->type, &place->is_optional)) return 0;
    if (!take_bytes(name, &place->name, &place->length)) return 0;
    template->place_count++;
    if (place->parent == OUTERMOST) {
        if (template->outermost_count++ != number) return refuse("the event's own fields come first");
        return 1;
    }
    if (place->parent < 0 || place->parent >= number) return refuse("a parent comes before its fields");
    const Place *parent = &template->places[place->parent];
    return (parent->type == DOCUMENT && place->is_optional >= parent->is_optional) ||
        refuse("a parent is a document, and always there if its field is");
}

static int take_returned(Template *template, PyObject *source) {
    long place = PyLong_AsLong(source);
    if (place < 0 || place >= template->place_count) return refuse("there is no such place");
    int type = template->places[place].type;
    if (template->returned_count == MOST_PLACES || template->places[place].is_optional || (type != STRING && type != DATE))
        return refuse("what is returned is a string or a date that is always there");
    template->returned[template->returned_count++] = (int)place;
    return 1;
}

static int take_step(const Template *template, Case *one, PyObject *source, int *texts) {
    PyObject *literal;
    Step *step = &one->steps[one->count];
    if (!PyTuple_Check(source)) return refuse("a step is a tuple");
    if (!PyArg_ParseTuple(source, "Oii", &literal, &step->value, &step->form) || !take_bytes(literal, &step->literal, &step->length)) return 0;
    if (step->value < END_OF_TEXT || step->value >= template->place_count) return refuse("there is no such place");
    if (step->form < 0 || step->form > (DIALECT | IN_STRING | SPACED | KIND)) return refuse("there is no such form");
    if (step->value == END_OF_TEXT && ++*texts > MOST_TEXTS) return refuse("too many texts");
    one->count++;
    return 1;
}

static int take_case(Template *template, PyObject *source) {
    PyObject *steps;
    Py_ssize_t length;
    int texts = 0;
    Case *one = &template->cases[template->case_count];
    if (template->case_count == MOST_CASES || !PyTuple_Check(source)) return refuse("too many cases, or one that is no tuple");
    if (!PyArg_ParseTuple(source, "UiO", &one->name, &one->condition, &steps)) return 0;
    if (one->condition < NO_PLACE || one->condition >= template->place_count) return refuse("there is no such place");
    if (!(one->text = PyUnicode_AsUTF8AndSize(one->name, &length)) || !PyTuple_Check(steps)) return refuse("steps are a tuple");
    one->length = (size_t)length;
    if (!(one->steps = PyMem_Calloc((size_t)PyTuple_Size(steps) + 1, sizeof *one->steps))) return refuse("no memory");
    template->case_count++;
    for (Py_ssize_t i = 0; i < PyTuple_Size(steps); i++)
        if (!take_step(template, one, PyTuple_GetItem(steps, i), &texts)) return 0;
    return 1;
}

static int check_deciding(const Template *template) {
    if (template->deciding < 0 || template->deciding >= template->place_count) return refuse("there is no such place");
    const Place *place = &template->places[template->deciding];
    return (place->type == STRING && !place->is_optional) || refuse("what decides is a string that is always there");
}

static int take_all(Template *template, PyObject *source, int (*take)(Template *, PyObject *)) {
    if (!PyTuple_Check(source)) return refuse("places, returned and cases are tuples");
    for (Py_ssize_t i = 0; i < PyTuple_Size(source); i++)
        if (!take(template, PyTuple_GetItem(source, i))) return 0;
    return 1;
}

static void forget(Template *template) {
    for (int i = 0; i < template->case_count; i++) PyMem_Free(template->cases[i].steps);
    Py_DecRef(template->source);
    PyMem_Free(template);
}

static void forget_capsule(PyObject *capsule) { forget(PyCapsule_GetPointer(capsule, CAPSULE)); }

static PyObject *template(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *places, *returned, *cases, *capsule = NULL;
    Template *made = PyMem_Calloc(1, sizeof *made);
    if (!made) return PyErr_NoMemory();
    Py_IncRef(arguments);
    made->source = arguments;
    if (PyArg_ParseTuple(arguments, "OOiO", &places, &returned, &made->deciding, &cases) && take_all(made, places, take_place) &&
        take_all(made, returned, take_returned) && take_all(made, cases, take_case) && check_deciding(made))
        capsule = PyCapsule_New(made, CAPSULE, forget_capsule);
    if (!capsule) forget(made);
    return capsule;
}

/* ---- Avro --------------------------------------------------------------------------------------------------------------------- */

#include "_avro.h"

static PyMethodDef METHODS[] = {
    {"avro_record", (PyCFunction)(void (*)(void))avro_record, METH_FASTCALL,
     "avro_record(records, columns, prefix)\n--\n\n"
     "The Avro record of columns behind a prefix; None for what is better left to Python. Each of the records is (kinds, literals)."},
    {"template", template, METH_VARARGS,
     "template(places, returned, deciding, cases)\n--\n\n"
     "A template for `fill`, of tuples: the places (parent, name, BSON type or 0, optional), the numbers of those whose values are\n"
     "returned, the number of the one that decides, and the cases (its value, a place that has to be there or -1, steps (literal,\n"
     "number of a place, form))."},
    {"fill", (PyCFunction)(void (*)(void))fill, METH_FASTCALL,
     "fill(template, event, number)\n--\n\n"
     "Name of the case, the returned values, and the texts; None for what is better left to Python."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "watcher.messages.serializations._bson_json", "BSON as JSON, in templates.", 0, METHODS, NULL, NULL, NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__bson_json(void) {
    /* Only once, as a thread may have given way in the middle of a table. */
    if (secret[1] || !getentropy(secret, sizeof secret)) return PyModuleDef_Init(&MODULE);
    PyErr_SetString(PyExc_ImportError, "the system gives no random numbers");
    return NULL;
}
