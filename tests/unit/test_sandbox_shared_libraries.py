"""A library that is missing is told from the loader's words, and what to install."""

from __future__ import annotations

from watcher.sandbox.shared_libraries import how_to_get, missing_library

LOADER = (
    "/x/mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file: No such file or directory\n"
)


def test_the_loaders_line_names_the_library() -> None:
    assert missing_library(LOADER) == "libcurl.so.4"


def test_of_an_earlier_start_it_says_nothing() -> None:
    assert missing_library(LOADER + '{"s": "F", "msg": "another trouble"}\n') is None
    assert missing_library("") is None


def test_the_package_of_debian_is_named_where_it_is_known() -> None:
    assert how_to_get("libcurl.so.4") == "Debian, Ubuntu: apt-get install libcurl4"
