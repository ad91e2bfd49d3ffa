"""The repository's YAML files, each read once; what is wrong goes to whoever asked."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from hubops.desired.secret_files import SecretState, classify, is_locked
from hubops.desired.yaml import Document, parse_yaml
from hubops.errors import RepositoryError
from hubops.names import did_you_mean

_KINDS = {
    str: "a text (quote it)",
    bool: "true or false",
    int: "a whole number",
    dict: "keys and values",
    list: "a list",
}
Report = Callable[[RepositoryError], None]


@dataclass(frozen=True)
class SecretFile:
    """secrets/<hub>.yaml: `content` as it lies there, `document` where it can be read without a key."""

    name: str
    state: SecretState
    content: bytes
    document: Document


def read_secrets(root: Path, hub: str) -> SecretFile:
    """The file with a hub's secrets, opened by nothing.

    Raises:
        RepositoryError: it is neither encrypted by git-crypt nor YAML; quotes nothing of it.
    """
    name = f"secrets/{hub}.yaml"
    content = (root / name).read_bytes() if (root / name).is_file() else None
    rules = [root / ".gitattributes", root / "secrets/.gitattributes"]
    attributes = "\n".join(file.read_text() for file in rules if file.is_file())
    document = Document(name, {}, {})
    if content is not None and not is_locked(content):
        with telling_no_value():
            document = parse_yaml(content, name)
    return SecretFile(name, classify(content, document, attributes), content or b"", document)


@contextmanager
def telling_no_value() -> Iterator[None]:
    """What is said of a value, a tag or an alias in YAML may be a secret that lacks its quotes."""
    try:
        yield
    except RepositoryError as error:
        is_about_a_key = error.what.startswith("the key ")
        what, why = (error.what, "") if is_about_a_key else ("this is not YAML", "a value may need quotes")
        raise RepositoryError(what, where=error.where, why=why, hint=error.hint) from None


def stop(error: RepositoryError) -> NoReturn:
    """The report of those who go no further than the first thing that is wrong."""
    raise error


class Files:
    """The files below `root`. Where `report` returns, what is wrong is left out and reading goes on.

    `wrong` has the names of the files that had something wrong.
    """

    def __init__(self, root: Path, report: Report = stop) -> None:
        self.root = root
        self.wrong: set[str] = set()
        self._report = report
        self._documents: dict[str, Document] = {}
        self._texts: dict[str, str] = {}

    def read(self, name: str, keys: Mapping[str, type] | None = None) -> Document:
        """A file that holds a mapping; an absent or empty one holds an empty mapping."""
        if name not in self._documents:
            self._documents[name] = self._load(name, keys)
        return self._documents[name]

    def text(self, name: str) -> str:
        """A file that is no YAML; what is not UTF-8 in it is replaced."""
        if name not in self._texts:
            self._texts[name] = (self.root / name).read_text(errors="replace")
        return self._texts[name]

    def entries(self, directory: str) -> list[str]:
        """What lies in a directory, without what begins with a dot; directories end with a slash."""
        found = (self.root / directory).iterdir() if (self.root / directory).is_dir() else ()
        names = (f"{path.name}/" if path.is_dir() else path.name for path in found)
        return sorted(name for name in names if not name.startswith("."))

    def is_directory(self, name: str) -> bool:
        return (self.root / name).is_dir()

    def refuse(self, name: str, error: RepositoryError) -> None:
        """Something in the file of that name is wrong."""
        self.wrong.add(name)
        self._report(error)

    def known(
        self, document: Document, found: Any, keys: Mapping[str, type], path: tuple[str, ...]
    ) -> dict[str, Any]:
        """What of `found`, at `path` of the document, has a key and a type of `keys`, and a value."""
        if not isinstance(found, dict):
            if found is not None:
                what = f"{path[-1]} must hold keys and values"
                error = RepositoryError(what, where=document.place(*path), rule="wrong-type")
                self.refuse(document.file, error)
            return {}
        return {
            key: value
            for key, value in found.items()
            if self._is_known(document, (*path, key), value, keys) and value is not None
        }

    def _load(self, name: str, keys: Mapping[str, type] | None) -> Document:
        file = self.root / name
        try:
            document = parse_yaml(file.read_bytes(), name) if file.is_file() else Document(name, None, {})
        except RepositoryError as error:
            error.rule = "unreadable-yaml"
            self.refuse(name, error)
            return Document(name, {}, {})
        value = {} if document.value is None else document.value
        if not isinstance(value, dict):
            what = f"{name} must hold keys and values"
            self.refuse(name, RepositoryError(what, where=document.place(), rule="wrong-type"))
            value = {}
        return replace(document, value=value if keys is None else self.known(document, value, keys, ()))

    def _is_known(
        self, document: Document, path: tuple[str, ...], value: Any, keys: Mapping[str, type]
    ) -> bool:
        key, where = path[-1], document.place(*path)
        if key not in keys:
            hint = did_you_mean(key, keys)
            error = RepositoryError(f"unknown key {key}", where=where, hint=hint, rule="unknown-key")
        elif value is not None and type(value) is not keys[key]:
            what = f"{key} must be {_KINDS[keys[key]]}, not {value!r}"
            error = RepositoryError(what, where=where, rule="wrong-type")
        else:
            return True
        self.refuse(document.file, error)
        return False
