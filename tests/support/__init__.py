"""Support that the tests share: real servers, readers, an oracle, a proxy."""
