"""One stack for all bad days: each test mends what it breaks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.live import Live, running


@pytest.fixture(scope="package")  # ends with this folder: the tests after it have the machine for themselves
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("faults")) as found:
        yield found
