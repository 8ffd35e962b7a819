"""Every change of many MongoDB databases on one host into Kafka, exactly once.

This file imports nothing, so that whoever asks for the version loads nothing else. The values that travel and what all parts share
belong beside it; each other part has a directory, whose `__init__.py` says what it is.
"""

__version__ = "0.2.0"
