"""Every change of many MongoDB databases on one host into Kafka, exactly once."""

__version__ = "0.1.0"
