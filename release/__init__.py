"""A release: `make dist` builds it (`build.py`) and tries it on each Python that the project claims (`smoke.py`).

`quick_start.py` runs the commands of docs/quick-start.md; `make quick-start` counts them and their seconds. Nothing here is part of
the package, and only `tests/` and the sandbox are imported.
"""
