"""A fleet over months: branches, builds that race, deploys, killed runs, people's servers, and prunes in between.

It knows by itself what is needed later (`needed_later`), from what happened and not from what was decided.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from fast.deploys import content
from hubops.execute.records import find_old
from hubops.plan.prune import decide_prune
from hubops.plan.prune_model import Pruning
from hubops.plan.prune_needs import recorded_needs
from hubops.state.image_model import Need, Stored
from hubops.state.model import Commit, Ending, History, Record

HORIZON, GRACE = timedelta(days=20), timedelta(hours=24)
REGISTRY, IMAGES, HUBS = "r.example.org/hubs", ("earth", "hub"), ("staging", "course")
KEPT_RECORDS, _KEPT_BUNDLES = 3, 2  # few, so that much is forgotten within the horizon


@dataclass
class Hub:
    """`records` are those that hubops has not forgotten, `forgotten` those that it has.

    `pods` are the digests that run by image; `lived` is when proved content stood last.
    """

    records: list[Record] = field(default_factory=list)
    forgotten: list[Record] = field(default_factory=list)
    pods: list[str] = field(default_factory=list)
    lived: dict[str, datetime] = field(default_factory=dict)

    def history(self, name: str) -> History:
        return History(name, tuple(self.records))

    def truth(self, name: str) -> History:
        """All that happened."""
        return History(name, sorted((*self.forgotten, *self.records), key=lambda record: record.number))


@dataclass
class World:
    chance: random.Random
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    pushed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    hubs: dict[str, Hub] = field(default_factory=lambda: {name: Hub() for name in HUBS})
    marks: dict[str, datetime] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    deleted: int = 0
    _count: int = 0

    def __post_init__(self) -> None:
        self.branches["main"] = {image: self._content() for image in IMAGES}
        self.tags["earth", "latest"] = self._push("earth")

    def _content(self) -> str:
        return f"c{self.chance.getrandbits(80):020x}"

    def _digest(self) -> str:
        self._count += 1
        return f"sha256:{self._count:064x}"

    # --- what people and CI do

    def step(self) -> None:
        deeds = [
            self.commit,
            self.branch,
            self.build,
            self.deploy,
            self.end,
            self.people,
            self.wait,
            self.tag,
            self.write,
        ]
        self.chance.choices(deeds, [3, 2, 5, 5, 5, 3, 4, 1, 1])[0]()

    def commit(self) -> None:
        head = self.branches[self.chance.choice(sorted(self.branches))]
        older = [other[image] for other in self.branches.values() for image in IMAGES[:1]]
        # A revert, or a merge of what another branch has, comes back to old content.
        head[self.chance.choice(IMAGES)] = self.chance.choice([self._content(), self._content(), *older])

    def branch(self) -> None:
        name = f"branch-{self.chance.randrange(4)}"
        if name in self.branches:
            merged = self.branches.pop(name)
            if self.chance.random() < 1 / 2:
                self.branches["main"] = merged
        else:
            self.branches[name] = dict(self.branches["main"])

    def build(self) -> None:
        head = dict(self.chance.choice([self.branches[name] for name in sorted(self.branches)]))
        if self.chance.random() < 1 / 6:  # somebody's own files, which no branch has
            head["earth"] = self._content()
        for image, tag in head.items():
            if (image, tag) not in self.tags or self.chance.random() < 1 / 4:  # a race
                self.tags[image, tag] = self._push(image)

    def _push(self, image: str) -> str:
        """A manifest, or an index of two, one of which may be that of another index."""
        digest, children = self._digest(), []
        if self.chance.random() < 1 / 3:
            old = sorted(
                child for (name, _), below in self.manifests.items() if name == image for child in below
            )
            children = [
                self._digest(),
                self.chance.choice(old) if old and self.chance.random() < 1 / 2 else self._digest(),
            ]
        for one, below in [*((child, ()) for child in children), (digest, tuple(children))]:
            self.manifests[image, one] = below
            self.pushed.setdefault((image, one), self.now)
        return digest

    def deploy(self) -> None:
        """Begins; a branch is never deployed whose images are not there."""
        name = self.chance.choice(HUBS)
        hub, head = self.hubs[name], self.branches["main"]
        under_way = hub.records and hub.records[-1].ending is Ending.UNFINISHED
        if under_way or any((image, tag) not in self.tags for image, tag in head.items()):
            return
        images = {i: f"{REGISTRY}/{i}:{tag}@{self.tags[i, tag]}" for i, tag in head.items()}
        self._begin(name, images)

    def _begin(self, name: str, images: dict[str, str], rollback_of: int = 0) -> None:
        hub, key = self.hubs[name], " ".join(images.values())
        number = hub.records[-1].number + 1 if hub.records else 1
        about = content(key, images=images)
        at = self.now.isoformat()
        hub.records.append(
            Record(number, name, Ending.UNFINISHED, at, "ci", Commit(), about, "x", rollback_of=rollback_of)
        )

    def end(self) -> None:
        """A deploy under way is proved, fails and is taken back, is killed, or nobody can tell."""
        name = self.chance.choice(HUBS)
        hub = self.hubs[name]
        if not hub.records or hub.records[-1].ending is not Ending.UNFINISHED:
            return
        ending = self.chance.choice(
            [Ending.PROVED, Ending.PROVED, Ending.FAILED, Ending.UNKNOWN, Ending.UNFINISHED]
        )
        record = hub.records[-1]
        touched = ending is not Ending.FAILED or self.chance.random() < 3 / 4
        kept = ending is Ending.PROVED and self.chance.random() < 3 / 4  # else its chart was too large
        hub.records[-1] = replace(record, ending=ending, touched=touched, kept=kept)
        if ending is Ending.PROVED:
            hub.lived[record.content.key] = self.now
        if ending is Ending.UNFINISHED:  # killed: the next deploy begins all the same
            hub.records[-1] = replace(hub.records[-1], ending=Ending.UNFINISHED)
            self._begin(name, dict(record.content.images))
        elif ending is Ending.FAILED and touched and (back := hub.history(name).restorable):
            self._begin(name, dict(back.content.images), rollback_of=record.number)
        self._forget(hub, name)

    def _forget(self, hub: Hub, name: str) -> None:
        """As execute/records.py prunes."""
        old = find_old(hub.history(name), self.now - HORIZON)
        hub.forgotten += old
        hub.records = [r for r in hub.records if r not in old]
        history = hub.history(name)
        needed = [r for r in (history.standing, history.last_proved, history.restorable) if r]
        for record in [r for r in hub.records if r.kept][:-_KEPT_BUNDLES]:
            if record not in needed:
                hub.records[hub.records.index(record)] = replace(record, kept=False)

    def people(self) -> None:
        """Servers of the image that stands; old ones stay, and some end."""
        name = self.chance.choice(HUBS)
        hub = self.hubs[name]
        if standing := hub.history(name).standing:
            hub.pods.append(standing.content.images["earth"].partition("@")[2])
        if hub.pods and self.chance.random() < 1 / 2:
            hub.pods.pop(self.chance.randrange(len(hub.pods)))

    def tag(self) -> None:
        """Somebody gives a name of their own to an image."""
        image, tag = self.chance.choice(sorted(self.tags))
        self.tags[image, f"exam-{self.chance.randrange(3)}"] = self.tags[image, tag]

    def write(self) -> None:
        """Somebody writes an image out in the values of a hub, or takes it out."""
        image, tag = self.chance.choice(sorted(self.tags))
        self.written = {f"{REGISTRY}/{image}:{tag}"} if self.chance.random() < 2 / 3 else set()

    def wait(self) -> None:
        hours = self.chance.choice([1, 5, 30, 24 * 5, 24 * 15, 24 * 30])
        for name, hub in self.hubs.items():
            standing = hub.history(name).standing
            if standing and standing.ending is Ending.PROVED:
                hub.lived[standing.content.key] = self.now + timedelta(hours=hours)
        self.now += timedelta(hours=hours)

    # --- pruning, as run/prune.py does it

    def look(self, agreed: Pruning | None = None) -> Pruning:
        needs = [
            Need(f"{REGISTRY}/{i}:{tag}", f"branch {b}")
            for b, head in self.branches.items()
            for i, tag in head.items()
        ]
        needs += [Need(text, "values") for text in self.written]
        for name, hub in self.hubs.items():
            needs += recorded_needs(hub.history(name), self.now, HORIZON)
            needs += [Need(f"{REGISTRY}/earth@{digest}", "pod") for digest in hub.pods]
        needs += [Need(f"{REGISTRY}/{i}:{tag}", "foreign") for i, tag in self.tags if not tag.startswith("c")]
        stored = [
            Stored(
                f"{REGISTRY}/{image}",
                {tag: digest for (i, tag), digest in self.tags.items() if i == image},
                {digest: below for (i, digest), below in self.manifests.items() if i == image and below},
            )
            for image in IMAGES
        ]
        return decide_prune(stored, needs, self.marks, self.now, GRACE, agreed=agreed)

    def prune(self) -> None:
        first = self.look()
        for _ in range(self.chance.randrange(3)):  # others go on meanwhile
            self.step()
        second = self.look(first)
        for spare in second.delete:
            for digest in (spare.digest, *spare.children):
                self._delete(spare.repository.rpartition("/")[2], digest)
        gone = {spare.key for spare in second.delete}
        self.marks = {key: since for key, since in second.marks.items() if key not in gone}

    def _delete(self, image: str, digest: str) -> None:
        assert self.now - self.pushed[image, digest] >= GRACE, "pushed a moment ago"
        self.manifests.pop((image, digest), None)  # two that go may share a part
        self.tags = {key: found for key, found in self.tags.items() if (key[0], found) != (image, digest)}
        self.deleted += 1

    # --- what is needed later

    def needed_later(self) -> dict[str, str]:
        """Digests, each with what somebody may do with it."""
        found: dict[str, str] = {}
        for name, hub in self.hubs.items():
            found |= dict.fromkeys(hub.pods, "a node is drained, and the pod starts on another")
            history = hub.truth(name)
            newest = history.records[-KEPT_RECORDS:]
            for record in history.records:
                digests = [image.partition("@")[2] for image in record.content.images.values()]
                if record.ending is Ending.UNFINISHED and record in newest:
                    found |= dict.fromkeys(digests, "a run goes on")
                elif record in [history.standing, history.last_proved, *(r for r in hub.records if r.kept)]:
                    found |= dict.fromkeys(digests, "a rollback, or a server that starts")
                elif record in [*newest, history.open_failure] and history.held(record.content.key):
                    found |= dict.fromkeys(digests, "a retry")
                elif record.ending is Ending.PROVED and self.now - hub.lived[record.content.key] <= HORIZON:
                    found |= dict.fromkeys(digests, "a release of these days")
        for (_, tag), digest in self.tags.items():
            if not tag.startswith("c"):
                found[digest] = "somebody's own tag"
        return found
