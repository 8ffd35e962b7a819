"""The documentation as a site: `make docs` builds it from `docs/` and from the files of the repository that its pages link.

`links.py` also checks all links, for `make check`; it needs the standard library alone, and no part imports anything of `watcher/`.
"""
