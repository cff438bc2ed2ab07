from tests.blob_stores import bucket, bucket_server, gateway_bucket, store

__all__ = ["bucket", "bucket_server", "gateway_bucket", "store"]
