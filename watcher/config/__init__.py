"""Loading and checking of conf.d: one frozen `Settings` per watcher, and all faults at once, with file, line, key and hint.

It imports errors and nothing else of the project but what it knows of librdkafka. Everything that can be said of a configuration
before a connection is made belongs here: `files` reads, `settings` lists the settings, and `mongodb`, `kafka` and `topics` check
their values.
"""

from watcher.config.deployment import Deployment
from watcher.config.fault import Fault, Origin
from watcher.config.loader import Loaded, load, load_env_file, load_environment, load_one
from watcher.config.masking import masked, masked_uri
from watcher.config.reread import reread
from watcher.config.settings import KEYS, Settings

__all__ = [
    "KEYS",
    "Deployment",
    "Fault",
    "Loaded",
    "Origin",
    "Settings",
    "load",
    "load_env_file",
    "load_environment",
    "load_one",
    "masked",
    "masked_uri",
    "reread",
]
