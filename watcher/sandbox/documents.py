"""The data of the demo's application: the collections of its two databases, and documents for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Document = dict[str, Any]

FIRST_NAMES = ("Ada", "Blaise", "Chien-Shiung", "Dorothy", "Emmy", "Fritz", "Grace", "Hedy", "Inge", "Jürgen", "Katherine", "Lise")
LAST_NAMES = (
    "Álvarez",
    "Brown",
    "Chen",
    "Dubois",
    "Eriksson",
    "Fischer",
    "García",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
)
CITIES = ("Berlin", "Kraków", "Lyon", "Malmö", "Porto", "Utrecht", "Zürich")
SPECIALTIES = ("cardiology", "dentistry", "dermatology", "general practice", "neurology", "paediatrics", "physiotherapy")
ROLES = ("admin", "assistant", "member", "owner")
PAGES = ("/", "/calendar", "/login", "/notifications", "/practitioners", "/settings", "/users")
EVENT_NAMES = ("button_clicked", "form_sent", "report_exported", "search_done", "session_started")
CHANNELS = ("email", "push", "sms")


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of the demo. `make` and `change` make documents and changes. `weight` is how often it is written to, relative to
    the others, and `limit` the most documents that it may hold.
    """

    database: str
    name: str
    make: Callable[[Random], Document]
    change: Callable[[Random], Document]
    weight: int
    limit: int


def user(random: Random) -> Document:
    """Make a person who may log in."""
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    return {
        "name": {"first": first, "last": last},
        "email": f"{first}.{last}.{random.randrange(10_000)}@example.org".lower(),
        "role": random.choice(ROLES),
        "active": True,
        "createdAt": now(),
    }


def organization(random: Random) -> Document:
    """Make a customer."""
    return {"name": f"{random.choice(LAST_NAMES)} Clinic", "plan": random.choice(("basic", "pro")), "seats": random.randint(5, 200)}


def practitioner(random: Random) -> Document:
    """Make someone who treats patients."""
    specialties = random.sample(SPECIALTIES, k=random.randint(1, 3))
    return {"name": f"Dr {random.choice(LAST_NAMES)}", "specialties": specialties, "rating": round(random.uniform(3, 5), 2)}


def schedule(random: Random) -> Document:
    """Make an appointment."""
    start = now() + timedelta(minutes=15 * random.randint(1, 2000))
    return {
        "startsAt": start,
        "endsAt": start + timedelta(minutes=30),
        "room": random.randint(1, 12),
        "status": "booked",
        "notes": None,
    }


def notification(random: Random) -> Document:
    """Make a notification for a user."""
    return {"channel": random.choice(CHANNELS), "text": f"Appointment in {random.randint(1, 48)} h", "read": False, "sentAt": now()}


def branch(random: Random) -> Document:
    """Make a branch of an organization."""
    longitude, latitude = round(random.uniform(-9, 24), 4), round(random.uniform(41, 60), 4)
    return {"city": random.choice(CITIES), "location": {"type": "Point", "coordinates": [longitude, latitude]}, "open": True}


def page_view(random: Random) -> Document:
    """Make a view of a page."""
    return {
        "page": random.choice(PAGES),
        "visitor": f"{random.getrandbits(48):012x}",
        "durationMs": random.randint(200, 90_000),
        "at": now(),
    }


def event(random: Random) -> Document:
    """Make an event: something that a visitor did."""
    return {"name": random.choice(EVENT_NAMES), "properties": {"page": random.choice(PAGES), "version": 3}, "at": now()}


def now() -> datetime:
    """Return the time as MongoDB stores it: UTC, in milliseconds."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


COLLECTIONS = (
    Collection("dashboard", "users", user, lambda r: {"role": r.choice(ROLES), "lastLoginAt": now()}, weight=6, limit=500),
    Collection("dashboard", "organizations", organization, lambda r: {"seats": r.randint(5, 200)}, weight=1, limit=50),
    Collection("dashboard", "practitioners", practitioner, lambda r: {"rating": round(r.uniform(3, 5), 2)}, weight=2, limit=100),
    Collection("dashboard", "schedules", schedule, lambda r: {"status": r.choice(("arrived", "cancelled"))}, weight=6, limit=500),
    Collection("dashboard", "notifications", notification, lambda _: {"read": True, "readAt": now()}, weight=4, limit=500),
    Collection("dashboard", "branches", branch, lambda r: {"open": r.random() < 0.5}, weight=1, limit=50),
    Collection("analytics", "page_views", page_view, lambda r: {"durationMs": r.randint(200, 90_000)}, weight=12, limit=2000),
    Collection("analytics", "events", event, lambda _: {"processedAt": now()}, weight=8, limit=2000),
)
