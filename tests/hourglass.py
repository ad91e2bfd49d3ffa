"""A clock that goes on only while somebody sleeps, and a patience by it."""

from hubops.clients.retry import Patience


class Hourglass:
    """`slept` are the seconds of each sleep; nothing of it takes any time."""

    def __init__(self, chance: float = 0.0) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []
        self.patience = Patience(lambda: self.now_s, self.sleep, lambda: chance)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
