"""A bucket of a store that speaks S3, reached with what the environment and ~/.aws say, which are only read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from hubops.answer import Absent, Present
from hubops.clients.s3_failures import mapped
from hubops.clients.s3_reader import open_object
from hubops.clients.s3_writer import abort, write_object
from hubops.errors import MachineError
from hubops.secret import Redactor, Secret

_CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True)
class Bucket:
    """A bucket, by its name and a client of botocore's. Methods that are no coroutines block.

    Every method raises OutOfReachError when the store did not answer or cannot tell, and StoreError or
    MachineError when it refused; only its own word that there is no such key means absent.
    """

    client: Any
    name: str

    @property
    def endpoint(self) -> str:
        """Whose store it is: scheme, host and port."""
        url = urlsplit(self.client.meta.endpoint_url)
        return f"{url.scheme}://{url.hostname}{f':{url.port}' if url.port else ''}"

    def where(self, key: str) -> str:
        """An object, for messages."""
        return f"s3://{self.name}/{key} at {self.endpoint}"

    def get(self, key: str) -> Present[bytes] | Absent:
        """A small object as a whole."""
        try:
            with mapped(self.where(key)):
                return Present(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())
        except FileNotFoundError:
            return Absent()

    def put(self, key: str, content: bytes) -> None:
        """Write a small object."""
        with mapped(self.where(key)):
            self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def sizes(self, prefix: str) -> dict[str, int]:
        """The keys that begin so, and how many bytes each has."""
        with mapped(self.where(prefix)):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", ())}

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        with mapped(self.where(key)):
            self.client.delete_object(Bucket=self.name, Key=key)

    def open(self, key: str) -> IO[bytes]:
        """Read an object piece by piece, each asked for anew when the connection is cut.

        Raises:
            FileNotFoundError: there is none.
        """
        return open_object(self.client, self.name, key, self.where(key))

    def abort_uploads(self, key: str) -> None:
        """Let the store forget the parts of every upload of that key that did not come to its end."""
        with mapped(self.where(key)):
            # Some stores answer only for a whole key, which is a prefix too.
            pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=key)
            for each in [each for page in pages for each in page.get("Uploads", ())]:
                if each["Key"] == key:
                    abort(self.client, {"Bucket": self.name, "Key": key, "UploadId": each["UploadId"]})

    async def upload(self, key: str, pieces: AsyncIterator[bytes], part_bytes: int) -> None:
        """Write an object of a length that nobody knows, one part after the other; half of one never stays.

        `part_bytes` is at least 5 MiB, and there may be 10,000 of them.
        """
        which = {"Bucket": self.name, "Key": key}
        await write_object(self.client, which, self.where(key), pieces, part_bytes)


def connect(name: str, redactor: Redactor) -> Bucket:
    """A bucket, by the settings and keys that every program for S3 reads; `redactor` learns what is secret of them.

    Raises:
        MachineError: there is no key here, or a setting is wrong.
        OutOfReachError: whoever gives out keys does not answer.
    """
    import botocore.session  # noqa: PLC0415 - a fifth of a second, and 40 MB
    from botocore.config import Config  # noqa: PLC0415 - as above
    from botocore.exceptions import NoCredentialsError  # noqa: PLC0415 - as above

    with mapped(f"s3://{name}"):
        session = botocore.session.get_session()
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        frozen = credentials.get_frozen_credentials()
        redactor.add(Secret(value) for value in (frozen.secret_key, frozen.token) if value)
        config = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            # The signature holds the SHA-256 of every part, which all stores check; checksums of other kinds, some
            # do not know.
            s3={"payload_signing_enabled": True},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        try:
            client = session.create_client("s3", config=config)
        except ValueError as error:  # botocore has no class for it, and may name a password that stands in it
            raise MachineError(
                "the address of the store is none",
                where="AWS_ENDPOINT_URL_S3, or endpoint_url in ~/.aws/config",
                hint="Write it with its scheme: https://HOST[:PORT]",
            ) from error
    if password := urlsplit(client.meta.endpoint_url).password:
        redactor.add([Secret(password)])
    return Bucket(client, name)
