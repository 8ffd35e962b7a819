/* Strings of JSON. */
#ifndef WATCHER_STRINGS_H
#define WATCHER_STRINGS_H

#include "text.h"

enum { PIECE_BYTES = 8192 /* of a long string */, MOST_ESCAPED = 7 /* bytes that become of one: \\u00xx within a string */ };

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
    put_mark(text, '\\');
    if (c == '"' || c == '\\') {
        put_mark(text, (char)c);
    } else if (c >= '\b' && c <= '\r' && c != '\v') {
        *text->end++ = SHORT[c - '\b'];
    } else {
        PUT(text, "u00");
        *text->end++ = HEX[c >> 4];
        *text->end++ = HEX[c & 15];
    }
}

/* The characters that begin before `until`; returns where the next one begins, NULL when one is no valid UTF-8. Only after `reserve`:
 * each byte may become MOST_ESCAPED, and the last character may go on for three more. */
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

/* Piece by piece, so that memory is reserved for the escapes of one piece only. */
static int write_long_string(Text *text, const unsigned char *at, size_t length) {
    const unsigned char *end = at + length, *until;
    if (!append_quote(text)) return 0;
    while (at && at < end) {
        until = end - at < PIECE_BYTES ? end : at + PIECE_BYTES;
        if (!reserve(text, MOST_ESCAPED * (size_t)(until - at) + 3)) return 0;
        at = put_characters(text, at, until, end);
    }
    return at && append_quote(text);
}

static int write_string(Text *text, const unsigned char *at, size_t length) {
    if (length > PIECE_BYTES) return write_long_string(text, at, length);
    if (!reserve(text, MOST_ESCAPED * length + 4)) return 0;
    put_mark(text, '"');
    if (!put_characters(text, at, at + length, at + length)) return 0;
    put_mark(text, '"');
    return 1;
}

#endif
