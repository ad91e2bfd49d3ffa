"""What is wrong when a store that speaks S3 does not do what it was asked: told by its code, or by what cut it short."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hubops.errors import HubopsError, MachineError, OutOfReachError, StoreError, UsageError

_SERVER_ERROR = 500
_FULL = 507
# The store cannot tell, or did not get what was sent; some say so with a status that means something else.
_UNDECIDED = {408, 425, 429}
_AGAIN = {
    "BadDigest",
    "IncompleteBody",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "XAmzContentSHA256Mismatch",
}
_NO_ROOM = {"InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"}
_KEYS = (
    "Keys are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from ~/.aws, where AWS_PROFILE names a profile; "
    "another store than Amazon's is named by AWS_ENDPOINT_URL_S3, or by endpoint_url in ~/.aws/config."
)
_RIGHTS = (
    "The key needs the rights s3:ListBucket, GetObject, PutObject, DeleteObject, AbortMultipartUpload and "
    "ListBucketMultipartUploads on that bucket; to restore, ListBucket and GetObject."
)
_WRONG_KEY = ("the store does not take this key", _KEYS)
_OLD_KEY = ("the key for the store is no longer valid", "Log in anew, or take another key. " + _KEYS)
_ELSEWHERE = ("the bucket is in another region", "Name it: AWS_REGION, or region in ~/.aws/config.")
_REFUSALS = {
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "ExpiredToken": _OLD_KEY,
    "IllegalLocationConstraintException": _ELSEWHERE,
    "InvalidAccessKeyId": _WRONG_KEY,
    "InvalidToken": _OLD_KEY,
    "NoSuchBucket": (
        "there is no such bucket",
        "Make it, private and encrypted; hubops makes none. " + _KEYS,
    ),
    "PermanentRedirect": _ELSEWHERE,
    "PreconditionFailed": ("it became another one while it was read", "Run again, when nobody writes to it."),
    "SignatureDoesNotMatch": _WRONG_KEY,
    "TokenRefreshRequired": _OLD_KEY,
}


@contextmanager
def mapped(where: str) -> Iterator[None]:
    """Turns what botocore raises about `where` into our errors.

    Raises:
        FileNotFoundError: the store itself says that it has no such key, and nothing less.
        EOFError: the object ends before that range.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow to import

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        code, message = str(said.get("Code", "")), str(said.get("Message", ""))
        if code == "NoSuchKey":
            raise FileNotFoundError(where) from error
        if code == "InvalidRange":
            raise EOFError(where) from error
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        raise refusal(status, code, message, where) from error
    except BotoCoreError as error:
        raise _trouble(error, where) from error


def refusal(status: int, code: str, message: str, where: str) -> HubopsError:
    """What an answer means that is no success."""
    why = f"HTTP {status} {code}: {message}"
    if code == "RequestTimeTooSkewed":
        hint = "Set this machine's clock (timedatectl), and run again."
        return MachineError("this machine's clock and the store's differ", where=where, why=why, hint=hint)
    if status == _FULL or code in _NO_ROOM:
        hint = "Make room in the store, or raise its quota, and run again."
        return StoreError("the store is full", where=where, why=why, hint=hint)
    if status >= _SERVER_ERROR or status in _UNDECIDED or code in _AGAIN:
        hint = "Run again when the store answers."
        return OutOfReachError("the store did not do it", where=where, why=why, hint=hint)
    what, hint = _REFUSALS.get(code, ("the store refuses", _RIGHTS))
    return StoreError(what, where=where, why=why, hint=hint)


def _trouble(error: Exception, where: str) -> HubopsError:
    """Why there was no answer at all."""
    from botocore import exceptions  # noqa: PLC0415 - slow to import

    settings: tuple[Any, ...] = (
        exceptions.BaseEndpointResolverError,
        exceptions.ConfigNotFound,
        exceptions.ConfigParseError,
        exceptions.CredentialRetrievalError,
        exceptions.InvalidConfigError,
        exceptions.InvalidRegionError,
        exceptions.LoginError,
        exceptions.MissingDependencyException,
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.ProfileNotFound,
        exceptions.SSOError,
        exceptions.TokenRetrievalError,
    )
    cut = (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
        exceptions.MetadataRetrievalError,
    )
    why = str(error)
    if isinstance(error, settings):
        return MachineError("there is no key for the store here", where=where, why=why, hint=_KEYS)
    if isinstance(error, exceptions.SSLError):
        hint = "If the store's certificate is of an authority of its own: AWS_CA_BUNDLE, or ca_bundle in ~/.aws/config."
        return OutOfReachError("the store cannot be trusted or reached", where=where, why=why, hint=hint)
    if isinstance(error, cut):
        hint = "Check AWS_ENDPOINT_URL_S3 and the network, and run again."
        return OutOfReachError("the store is out of reach", where=where, why=why, hint=hint)
    if isinstance(error, exceptions.ParamValidationError):
        return UsageError("this names no bucket", where=where, why=why, hint="Write s3://BUCKET/PREFIX.")
    return StoreError("the store cannot be asked", where=where, why=why, hint=_KEYS)
