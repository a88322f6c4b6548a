"""``open_store`` chooses an adapter by URL, and says clearly what it does not know."""

from pathlib import Path

import pytest

from eucora.blobs import BlobUrlUnsupported, open_store
from eucora.domain.errors import InvalidInput


@pytest.mark.parametrize(
    "form",
    ["{0}", "file:{0}", "file://{0}", "file://localhost{0}", "FILE:{0}"],
    ids=["path", "file", "//", "host", "upper"],
)
async def test_a_folder_is_named_by_path_or_file_url(tmp_path: Path, form: str) -> None:
    store = open_store(form.format(tmp_path / "blobs"))
    stored = await store.put_bytes(b"abc")
    assert store.path(stored.sha256).is_relative_to(tmp_path / "blobs")


def test_percent_signs_are_decoded_in_urls_only(tmp_path: Path) -> None:
    assert repr(open_store(f"file:{tmp_path}/a%20b")) == f"FolderBlobStore('{tmp_path}/a b')"
    assert repr(open_store(f"{tmp_path}/a%20b")) == f"FolderBlobStore('{tmp_path}/a%20b')"


def test_a_relative_folder_is_taken_from_here_once_and_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert repr(open_store("file:.eucora/blobs")) == f"FolderBlobStore('{tmp_path}/.eucora/blobs')"


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "az://container", "memory:", "https://example.org/blobs"])
def test_other_schemes_are_refused_by_name(url: str) -> None:
    with pytest.raises(BlobUrlUnsupported, match=url.partition(":")[0]) as refused:
        open_store(url)
    assert isinstance(refused.value, InvalidInput)
    assert (refused.value.code, refused.value.field) == ("blob_url_unsupported", "blob_url")


@pytest.mark.parametrize("url", ["", "  ", "file:", "file://", "file://elsewhere/blobs"])
def test_an_address_without_a_folder_of_this_machine_is_refused(url: str) -> None:
    with pytest.raises(BlobUrlUnsupported):
        open_store(url)
