import hashlib
from collections.abc import Callable

import pytest

from modelyard.platform.storage.blobs import StoredBlob, new_name
from modelyard.platform.storage.digests import Digester
from tests.blob_stores import bucket, bucket_server, gateway_bucket, store

__all__ = ["bucket", "bucket_server", "gateway_bucket", "store"]


@pytest.fixture
def blob() -> Callable[[str], StoredBlob]:
    """What a store would say of the bytes of a text."""

    def described(text: str) -> StoredBlob:
        digester = Digester()
        digester.update(text.encode())
        assert digester.result().sha256 == hashlib.sha256(text.encode()).hexdigest()
        return StoredBlob(new_name(digester.result().sha256), digester.result())

    return described
