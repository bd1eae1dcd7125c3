"""moto's S3 server: `python -m tests.drills.moto_server PORT COUNT`, with COUNT objects in the bucket `many`.

They are made in the server itself: a request for each of a hundred thousand takes a quarter of an hour. And it lists
each of their folders once, where moto would go through all objects for each page.
"""

from __future__ import annotations

import sys
from typing import Any


def fill(count: int) -> None:
    """Objects of one byte, ten thousand to a folder."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    store: Any = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    store.create_bucket("many", "us-east-1")
    for n in range(count):
        store.put_object("many", f"all/{n // 10_000}/{n:06d}.jpg", b"x")
    listed, known = store.list_objects, dict[tuple[Any, ...], Any]()

    def list_objects(bucket: Any, *how: Any, **more: Any) -> Any:
        which = (*how, *more.items())
        if bucket.name != "many":
            return listed(bucket, *how, **more)
        if which not in known:
            known[which] = listed(bucket, *how, **more)
        return known[which]

    store.list_objects = list_objects


if __name__ == "__main__":
    from moto.server import main

    fill(int(sys.argv[2]))
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
