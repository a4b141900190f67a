"""The bucket policies of docs/security.md as Ceph's gateway understands them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from armillary.backup.catalogue import Catalogue
from armillary.backup.prune import apply, plan
from armillary.backup.retention import Retention
from armillary.backup.verify import verify
from armillary.errors import ConfigurationError
from tests.backup.made import Shelf
from tests.real.service import PREFIX, Service
from tests.real.test_second_store import NEW, NOW, OLD, PART
from tests.security.gate import ALL, actions_of
from tests.security.pages import policies

pytestmark = [pytest.mark.real, pytest.mark.slow]

WORKSPACE = "demo"


@contextmanager
def in_force(service: Service, name: str, policy: str) -> Iterator[None]:
    """Deny the bucket's own user all that Armillary ever asks for and the policy does not name.

    The policies of the page are for users that may do nothing else; this one owns the bucket. Each
    action by its name: of ``NotAction`` Ceph (16 at least) takes no notice.
    """
    everything = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/{PREFIX}/*"]
    statement: dict[str, Any] = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": sorted(ALL - actions_of(policies()[policy])),
        "Resource": everything,
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    service.client.put_bucket_policy(Bucket=name, Policy=text)
    yield
    service.client.delete_bucket_policy(Bucket=name)


@pytest.mark.parametrize("versions", [False, True], ids=["plain", "versions"])
def test_what_writes_backups_cannot_remove_them_and_what_prunes_can(
    gateway: Service, versions: bool
) -> None:
    name = gateway.make_bucket(versions=versions)
    bucket, shelf = gateway.bucket(name), Shelf(gateway.client, name, PREFIX)
    for backup_id in (OLD, NEW):
        shelf.backup(backup_id)
    catalogue = Catalogue(bucket, WORKSPACE)
    before = shelf.keys()
    with in_force(gateway, name, "backup"):
        bucket.prove(WORKSPACE)
        bucket.upload(f"{WORKSPACE}/large", io.BytesIO(2 * PART), metadata={})
        assert bucket.delete([f"{WORKSPACE}/{OLD}/manifest.json"])
    assert set(shelf.keys()) == {*before, f"{WORKSPACE}/_probe", f"{WORKSPACE}/large"}
    with in_force(gateway, name, "read"):
        assert verify(bucket, catalogue.get(NEW)).state == "Completed"
        with pytest.raises(ConfigurationError, match="The credentials need s3:PutObject"):
            bucket.write(f"{WORKSPACE}/{NEW}/manifest.json", b"forged")
    with in_force(gateway, name, "prune"):
        done = apply(plan(catalogue, Retention(keep_last=1), NOW), bucket)
        assert (done.state, done.removed) == ("Completed", [OLD])
        with pytest.raises(ConfigurationError, match="The credentials need s3:PutObject"):
            bucket.write(f"{WORKSPACE}/x", b"1")
    assert not [key for key in shelf.keys() if OLD in key]  # noqa: SIM118 - no mapping
