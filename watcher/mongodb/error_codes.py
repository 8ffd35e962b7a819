"""Table of MongoDB's error codes that can reach a watcher: what a worker does about each, and what a person can do.

Numbers and names come from the server's `src/mongo/base/error_codes.yml` (6.0 to 8.0), and from the asserts in its code for change
streams and resume tokens, which it names `Location<number>`. docs/errors.md shows the same table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from watcher.errors import (
    CredentialsRefused,
    NotPermitted,
    Outage,
    PositionLost,
    UndeliverableEvent,
    UnsupportedServer,
    WatcherError,
)

REPLICA_SET_HINT = (
    "Change streams need a replica set; one node is enough. Start mongod with --replSet rs0 (or replication.replSetName) and run "
    "rs.initiate() once in mongosh."
)
CREDENTIALS_HINT = "Check user, password and authSource in mongodb_uri."
RIGHTS_HINT = "The user needs the role `read` on this database; with watch_databases, `readAnyDatabase`."
POSITION_HINT = (
    "The changes after it are gone from the oplog, or mongodb_uri leads to another MongoDB. A larger oplog keeps changes longer. "
    'With on_position_lost = "restart" the watcher goes on from now, and tells its consumers of the gap.'
)
LARGE_HINT = (
    'Leave out what makes it large: full_document_before_change, or full_document = "default". MongoDB 6.0.9 and newer split such '
    'events by themselves. on_large_event = "dead-letter" delivers it without its documents.'
)
SERVER_HINT = (
    "Watchers need MongoDB 6.0 or newer itself. Imitations such as Amazon DocumentDB, Azure Cosmos DB and FerretDB lack parts of "
    "its change streams and are not supported."
)
ELECTION_HINT = "An election or a restart is over within seconds; if this is not, look at rs.status(). The worker keeps trying."
UNKNOWN_HINT = "MongoDB's log tells more. The worker keeps trying; if this does not end, please report the error with its number."


@dataclass(frozen=True, slots=True)
class Kind:
    """Errors that mean the same to a worker. `becomes` decides what it does, `says` begins the sentence, `codes` maps each code to
    its name."""

    becomes: type[WatcherError]
    says: str
    hint: str
    codes: Mapping[int, str]

    def error(self, text: str, code: str) -> WatcherError:
        """Make the error with this text, and with this code if it is an outage."""
        return outage(text, self.hint, code) if self.becomes is Outage else self.becomes(text, hint=self.hint)


def outage(text: str, hint: str, code: str) -> Outage:
    """Make the error for an outage of MongoDB."""
    return Outage(text, hint=hint, component="mongodb", code=code)


def _locations(*numbers: int | Iterable[int]) -> dict[int, str]:
    """Name the codes of the server's asserts, which have no name but their number."""
    flat = [number for item in numbers for number in ([item] if isinstance(item, int) else item)]
    return {number: f"Location{number}" for number in flat}


ELECTION = Kind(
    Outage,
    "MongoDB's members are changing their roles",
    ELECTION_HINT,
    {
        71: "ReplicaSetNotFound", 74: "NodeNotFound", 91: "ShutdownInProgress", 95: "NotSecondary",
        133: "FailedToSatisfyReadPreference", 149: "NoConfigPrimary", 164: "InitialSyncActive", 189: "PrimarySteppedDown",
        216: "ElectionInProgress", 10058: "LegacyNotPrimary", 10107: "NotWritablePrimary", 11600: "InterruptedAtShutdown",
        11602: "InterruptedDueToReplStateChange", 13435: "NotPrimaryNoSecondaryOk", 13436: "NotPrimaryOrSecondary",
    },
)  # fmt: skip
NETWORK = Kind(
    Outage,
    "MongoDB's members or shards do not reach each other",
    "Look at rs.status() or sh.status(), and at the network between them. The worker keeps trying.",
    {
        6: "HostUnreachable", 7: "HostNotFound", 89: "NetworkTimeout", 141: "SSLHandshakeFailed", 145: "PooledConnectionsDropped",
        199: "ReplicaSetMonitorRemoved", 202: "NetworkInterfaceExceededTimeLimit", 230: "DNSHostNotFound", 231: "DNSProtocolError",
        279: "ClientDisconnect", 303: "SplitHorizonChange", 398: "StreamTerminated", 9001: "SocketException",
        407: "PooledConnectionAcquisitionExceededTimeLimit", 56846: "ConfigServerUnreachable",
    },
)  # fmt: skip
CURSOR_GONE = Kind(
    Outage,
    "MongoDB has ended the change stream's cursor",
    "The worker opens it again after the last position, and loses nothing. If this does not end, find out who kills cursors.",
    {
        43: "CursorNotFound", 90: "CallbackCanceled", 96: "OperationFailed", 136: "CappedPositionLost", 143: "CursorInUse",
        175: "QueryPlanKilled", 206: "NoSuchSession", 222: "CloseChangeStream", 234: "RetryChangeStream", 237: "CursorKilled",
        314: "ObjectIsBusy", 346: "ChangeStreamInvalidated", 348: "ChangeStreamTopologyChange",
        351: "ChangeStreamStartAfterInvalidate", 355: "InterruptedDueToStorageChange", 401: "ResumeTenantChangeStream",
        453: "InterruptedDueToReshardingCriticalSection", 11601: "Interrupted", 46841: "ClientMarkedKilled",
        10045600: "InterruptedDueToFCVChange",
    },
)  # fmt: skip
OVERLOADED = Kind(
    Outage,
    "MongoDB is overloaded or short of something",
    "Look at its load, memory, disk and file limits, and at its log. The worker keeps trying.",
    {
        24: "LockTimeout", 46: "LockBusy", 50: "MaxTimeMSExpired", 107: "LockFailed", 112: "WriteConflict",
        134: "ReadConcernMajorityNotAvailableYet", 146: "ExceededMemoryLimit", 208: "TooManyLocks", 261: "TooManyLogicalSessions",
        262: "ExceededTimeLimit", 264: "TooManyFilesOpen", 292: "QueryExceededMemoryLimitNoDiskUseAllowed",
        365: "TemporarilyUnavailable", 402: "ResourceExhausted", 433: "AdmissionQueueOverflow", 449: "RateLimitExceeded",
        450: "PooledConnectionAcquisitionRejected", 462: "IngressRequestRateLimitExceeded", 14031: "OutOfDiskSpace",
    },
)  # fmt: skip
SHARDING = Kind(
    Outage,
    "MongoDB's shards are changing",
    "Chunks move, or a shard comes or goes; that ends by itself. If it does not, look at sh.status(). The worker keeps trying.",
    {
        70: "ShardNotFound", 105: "IncompatibleShardingMetadata", 118: "NamespaceNotSharded", 150: "StaleEpoch",
        154: "InconsistentShardIdentity", 203: "ShardingStateNotInitialized", 249: "StaleDbVersion", 250: "StaleChunkHistory",
        272: "MigrationConflict", 338: "ReshardCollectionInProgress", 342: "ReshardingCriticalSectionTimeout",
        343: "ShardCannotRefreshDueToLocksHeld", 403: "UnsupportedShardingEventNotification", 414: "AddOrRemoveShardInProgress",
        13388: "StaleConfig", 91331: "RetriableRemoteCommandFailure",
    },
)  # fmt: skip
CLOCKS = Kind(
    Outage,
    "MongoDB's members do not agree on the cluster's time",
    "Compare the clocks of its hosts; after a restore or an upgrade its signing keys take a while. The worker keeps trying.",
    {
        106: "DistributedClockSkewed", 204: "TimeProofMismatch", 205: "ClusterTimeFailsRateLimiter", 209: "StaleClusterTime",
        210: "CannotVerifyAndSignLogicalTime", 211: "KeyNotFound",
    },
)  # fmt: skip
NOT_INITIATED = Kind(
    Outage,
    "MongoDB's replica set has no valid configuration yet",
    REPLICA_SET_HINT,
    {93: "InvalidReplicaSetConfig", 94: "NotYetInitialized", 308: "CurrentConfigNotCommittedYet"},
)
CREDENTIALS = Kind(
    CredentialsRefused,
    "MongoDB refuses the credentials",
    CREDENTIALS_HINT,
    {
        11: "UserNotFound", 17: "ProtocolError", 18: "AuthenticationFailed", 69: "AuthSchemaIncompatible",
        334: "MechanismUnavailable", 337: "AuthenticationAbandoned", 391: "ReauthenticationRequired", 392: "InvalidJWT",
        8000: "AtlasError",
    },
)  # fmt: skip
PLACE = Kind(
    NotPermitted,
    "MongoDB does not let this user in from this host",
    "The user's authenticationRestrictions name the addresses it may come from: db.getUser() shows them.",
    {214: "AuthenticationRestrictionUnmet"},
)
RIGHTS = Kind(
    NotPermitted,
    "MongoDB does not permit reading the change stream",
    RIGHTS_HINT,
    {13: "Unauthorized", 31: "RoleNotFound", 33: "PrivilegeNotFound"},
)
STANDALONE = Kind(
    UnsupportedServer,
    "This MongoDB is a standalone server, without change streams",
    REPLICA_SET_HINT,
    {20: "IllegalOperation", 76: "NoReplicationEnabled", 123: "NotAReplicaSet", **_locations(40573)},
)
UNSUPPORTED = Kind(
    UnsupportedServer,
    "This MongoDB cannot do what a watcher asks of it",
    SERVER_HINT,
    {
        2: "BadValue", 14: "TypeMismatch", 59: "CommandNotFound", 72: "InvalidOptions", 73: "InvalidNamespace",
        101: "OutdatedClient", 115: "CommandNotSupported", 148: "ReadConcernMajorityNotEnabled",
        166: "CommandNotSupportedOnView", 167: "OptionNotSupportedOnView", 168: "InvalidPipelineOperator",
        188: "IncompatibleServerVersion", 224: "QueryFeatureNotAllowed", 235: "InternalErrorNotSupported", 238: "NotImplemented",
        322: "APIVersionError", 323: "APIStrictError", 324: "APIDeprecationError", 347: "APIMismatchError",
        352: "UnsupportedOpQueryCommand", 354: "LoadBalancerSupportMismatch", 376: "ChangeStreamNotEnabled",
        411: "QueryRejectedBySettings", 40413: "IDLDuplicateField", 40414: "IDLFailedToParse", 40415: "IDLUnknownField",
        **_locations(40324, 40602),
    },
)  # fmt: skip
IMAGE_MISSING = Kind(
    UndeliverableEvent,
    "A change event cannot be had as the settings require it: MongoDB keeps no image of its document",
    "Images are kept of changes that are made while the collection has changeStreamPreAndPostImages, and until they expire. With "
    '"whenAvailable" instead of "required" in full_document and full_document_before_change the event comes without. '
    "`watcherctl doctor` names the collections that keep none.",
    {47: "NoMatchingDocument"},
)
LARGE = Kind(
    UndeliverableEvent,
    "A change event is too large for MongoDB",
    LARGE_HINT,
    # Servers that split events raise the second: a single field is larger than the room that the token leaves in a fragment.
    {10334: "BSONObjectTooLarge", **_locations(7182500)},
)
POSITION = Kind(
    PositionLost,
    "MongoDB cannot continue after the saved position",
    POSITION_HINT,
    {280: "ChangeStreamFatalError", 286: "ChangeStreamHistoryLost", 326: "OplogQueryMinTsMissing", **_locations(464)},
)
TOKEN = Kind(
    PositionLost,
    "MongoDB cannot continue after the saved position",
    POSITION_HINT,
    {
        9: "FailedToParse", 15: "Overflow", 207: "InvalidUUID", 260: "InvalidResumeToken",
        **_locations(
            range(40646, 40650), range(50793, 50797), range(50810, 50862), 50870, 50872, range(51055, 51058),
            range(6189500, 6189506), 7182501,
        ),
    },
)  # fmt: skip
"""A token that is not from this server, or from a newer release. Applies only while a stream is being opened: in mid-stream the
position is not at fault."""

UNKNOWN = Kind(Outage, "MongoDB answered with an error", UNKNOWN_HINT, {})

KINDS = (
    ELECTION, NETWORK, CURSOR_GONE, OVERLOADED, SHARDING, CLOCKS, NOT_INITIATED, CREDENTIALS, PLACE, RIGHTS, STANDALONE,
    UNSUPPORTED, IMAGE_MISSING, LARGE, POSITION,
)  # fmt: skip
BY_CODE = {code: kind for kind in KINDS for code in kind.codes}

BY_WORDS: tuple[tuple[frozenset[int | None], re.Pattern[str], Kind], ...] = (
    (frozenset({8000}), re.compile("not allowed to do action"), RIGHTS),
    (frozenset({8000}), re.compile("not (allowed|supported|available) in this"), UNSUPPORTED),
    (frozenset({8000}), re.compile("^(?!.*auth)", re.IGNORECASE), UNKNOWN),
    # A user that was dropped while its cursor was open: another one has most likely taken its place.
    (frozenset({13}), re.compile("requires authentication|not created by the authenticated user"), CREDENTIALS),
    (frozenset({20}), re.compile("^(?!.*replica set)"), UNSUPPORTED),
    (frozenset({303}), re.compile("not supported", re.IGNORECASE), UNSUPPORTED),
)
"""Codes with several meanings, told apart by their text. 8000 is everything that Atlas' own proxy refuses; 303 is also DocumentDB's
"Feature not supported"."""

LACKS = re.compile(
    r"not (currently |yet )?(supported|implemented|enabled)|unsupported|unrecogni[sz]ed|unknown (field|option|command)"
    r"|no such command",
    re.IGNORECASE,
)
"""Words with which servers say that they cannot do something. Imitations of MongoDB use codes of their own for it, or none."""


def kind_of(code: int | None, text: str, *, after_token: bool = False) -> Kind:
    """Return the kind of the server's error `code` with its `text`. `after_token`: a stream is being opened after a position."""
    if after_token and code in TOKEN.codes:
        return TOKEN
    for codes, words, kind in BY_WORDS:
        if code in codes and words.search(text):
            return kind
    return BY_CODE.get(code or 0) or (UNSUPPORTED if LACKS.search(text) else UNKNOWN)
