from tests.blob_stores import bucket, bucket_server, store

__all__ = ["bucket", "bucket_server", "store"]
