"""Compares clocks: a server's or another host's with this host's, or with Kafka's."""

from __future__ import annotations

from watcher.doctor.check import Finding, failed, ok, warning
from watcher.terminal.durations import seconds_in_words

SKEW_SECONDS = 5.0
MOST_SKEW_SECONDS = 3600.0
"""Largest lead of a record's time that Kafka accepts by default (message.timestamp.after.max.ms), in seconds."""
CLOCK_FIX = "timedatectl set-ntp true, on the host whose clock is wrong"


def judge_skew(ahead_seconds: float, whose: str, error_seconds: float = 0.0, *, than: str = "this host's") -> Finding:
    """Judge a clock. `whose` clock is `ahead_seconds` ahead of another one (`than`), give or take `error_seconds`."""
    skew = max(abs(ahead_seconds) - error_seconds, 0.0)
    if skew <= SKEW_SECONDS:
        return ok(f"{whose}'s and {than} are at most {SKEW_SECONDS:.0f} s apart")
    text = f"{whose}'s is {seconds_in_words(abs(ahead_seconds))} {'ahead of' if ahead_seconds > 0 else 'behind'} {than}"
    if skew > MOST_SKEW_SECONDS:
        return failed(f"{text}; Kafka refuses messages that are an hour ahead", CLOCK_FIX)
    return warning(text, CLOCK_FIX)
