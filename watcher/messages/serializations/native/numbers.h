/* Numbers, times and bytes as JSON, each in its dialect. */
#ifndef WATCHER_NUMBERS_H
#define WATCHER_NUMBERS_H

#include "bson.h"
#include "text.h"

/* Milliseconds since 1970 of the years 1 to 9999, which have four digits. */
static const int64_t EARLIEST_MS = -62135596800000, LATEST_MS = 253402300799999;
static const int64_t DAY_MS = 86400000;

/* Doubles that both Python's repr and orjson write without an exponent. */
static const double SMALLEST_DOUBLE = 1e-3, LARGEST_DOUBLE = 1e15;
enum { MOST_DECIMALS = 19 /* with which each of them has at least 17 digits, which tell any double from all others */ };

enum { ALL_DIGITS = 19 /* as many as the largest number has */ };

/* The digits of the numbers below 100: a division for each two digits is half of the time. */
static const char PAIRS[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

static int write_integer(Text *text, int64_t number) {
    char digits[20], *first = digits + sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    for (; rest >= 10; rest /= 100) memcpy(first -= 2, PAIRS + rest % 100 * 2, 2);
    if (rest || first == digits + sizeof digits) *--first = (char)('0' + rest);
    if (!reserve(text, 21)) return 0;
    if (number < 0) *text->end++ = '-';
    put(text, first, (size_t)(digits + sizeof digits - first));
    return 1;
}

static void put_digits(Text *text, int64_t number, int count) {
    text->end += count;
    char *first = text->end;
    for (; count > 1; count -= 2, number /= 100) memcpy(first -= 2, PAIRS + number % 100 * 2, 2);
    if (count) *--first = (char)('0' + number % 10);
}

/* With leading zeros. */
static int write_all_digits(Text *text, int64_t number) {
    if (number < 0 || !reserve(text, ALL_DIGITS)) return 0;
    put_digits(text, number, ALL_DIGITS);
    return 1;
}

/* A decimal number: `digits`, of which the last `decimals` follow the point. */
typedef struct {
    uint64_t digits, one; /* 10^decimals */
    int decimals;
} Decimal;

/* The decimal with the fewest digits that reads back as the same double, and of those the nearest one: as Python's repr. It is exact: a
 * double in this range is an integer of 53 bits, divided by 2^shift, and that integer times 10^19 has 117 bits. That a power of two has
 * its neighbour below at half the distance does not matter, because those here are decimals of 15 digits at most themselves. */
static Decimal shortest(double size) {
    uint64_t bits, one = 1;
    memcpy(&bits, &size, sizeof bits);
    uint64_t whole = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1 << 52;
    int shift = 1075 - (int)(bits >> 52);
    unsigned __int128 scaled = whole, half = (unsigned __int128)1 << (shift - 1);
    for (int decimals = 0;; decimals++, scaled *= 10, one *= 10) {
        uint64_t digits = (uint64_t)(scaled >> shift);
        unsigned __int128 rest = scaled - ((unsigned __int128)digits << shift);
        if (rest > half || (rest == half && digits & 1)) {
            digits++;
            rest = 2 * half - rest;
        }
        /* It reads back if it is off by less than half of the integer's last bit, or by just that if the integer is even. */
        if (2 * rest < one || (2 * rest == one && !(whole & 1)) || decimals == MOST_DECIMALS) return (Decimal){digits, one, decimals};
    }
}

static int write_double(Text *text, double number) {
    if (number != number || number - number != 0) return text->dialect == PLAIN && APPEND(text, "null"); /* NaN, an infinity */
    double size = number < 0 ? -number : number;
    if (size >= LARGEST_DOUBLE || (size < SMALLEST_DOUBLE && size != 0)) return 0;
    if (size == 0) return 1 / number < 0 ? APPEND(text, "-0.0") : APPEND(text, "0.0");
    Decimal decimal = shortest(size);
    if (number < 0 && !APPEND(text, "-")) return 0;
    if (!write_integer(text, (int64_t)(decimal.digits / decimal.one)) || !reserve(text, MOST_DECIMALS + 1)) return 0;
    *text->end++ = '.';
    put_digits(text, (int64_t)(decimal.digits % decimal.one), decimal.decimals ? decimal.decimals : 1);
    return 1;
}

static int write_quoted_integer(Text *text, int64_t number) {
    return append_quote(text) && write_integer(text, number) && append_quote(text);
}

static int write_int64(Text *text, int64_t number) {
    if (text->dialect != STRICT) return write_integer(text, number);
    return OPEN(text, "$numberLong") && write_quoted_integer(text, number) && APPEND(text, "}");
}

static int write_iso_time(Text *text, int64_t ms, int with_milliseconds) {
    if (ms < EARLIEST_MS || ms > LATEST_MS || !reserve(text, 28)) return 0;
    int64_t days = ms / DAY_MS, in_day = ms % DAY_MS;
    if (in_day < 0) in_day += DAY_MS, days--;
    /* Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, civil_from_days; all days here are after the year 0. */
    days += 719468;
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153, day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    put_mark(text, '"');
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
    *text->end++ = 'Z';
    put_mark(text, '"');
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
    if ((!is_plain && !OPEN(text, "$oid")) || !reserve(text, 2 * OBJECT_ID_BYTES + 5)) return 0;
    put_mark(text, '"');
    put_hex(text, bytes, OBJECT_ID_BYTES);
    put_mark(text, '"');
    if (!is_plain) *text->end++ = '}';
    return 1;
}

static int write_uuid(Text *text, const unsigned char *bytes) {
    static const int PARTS[] = {4, 2, 2, 2, 6};
    if (!reserve(text, 2 * UUID_BYTES + 8)) return 0;
    put_mark(text, '"');
    for (int i = 0; i < 5; bytes += PARTS[i++]) {
        if (i) *text->end++ = '-';
        put_hex(text, bytes, (size_t)PARTS[i]);
    }
    put_mark(text, '"');
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
    if (!reserve(text, (count + 2) / 3 * 4 + 4)) return 0;
    put_mark(text, '"');
    put_base64(text, bytes, count);
    put_mark(text, '"');
    return 1;
}

#endif
