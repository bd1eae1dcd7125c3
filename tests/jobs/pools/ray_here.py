"""A stand-in for the package ray whose actors are threads of this process, and die when they are told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import ModuleType, SimpleNamespace
from typing import Any


class RayError(Exception):
    """As of ray.exceptions."""


class Handle:
    """An actor: each call is a thread, and its answer a future."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.waiting: list[Future[Any]] = []
        self.dead = False

    def __getattr__(self, method: str) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda *given: self.call(method, given))

    def call(self, method: str, given: Sequence[Any]) -> Future[Any]:
        answer: Future[Any] = Future()
        self.waiting.append(answer)
        values = [each.result() if isinstance(each, Future) else each for each in given]

        def act() -> None:
            result = getattr(self.actor, method)(*values)
            if not answer.done():
                answer.set_result(result)

        if self.dead:
            self.die("died")
        else:
            threading.Thread(target=act, daemon=True).start()
        return answer

    def die(self, line: str) -> None:
        self.dead = True
        for answer in self.waiting:
            if not answer.done():
                answer.set_exception(RayError(line))


class RayHere(ModuleType):
    """What imgcycle uses of ray. `actors` are all that were ever made, `asked` the room that was asked for each."""

    def __init__(self, nodes: Sequence[dict[str, float]] = ()) -> None:
        super().__init__("ray")
        self.exceptions = SimpleNamespace(RayError=RayError)
        self.actors: list[Handle] = []
        self.asked: list[dict[str, Any]] = []
        self.left = 0
        self.begun: Callable[[dict[str, Any]], None] = lambda _: None
        self._nodes = nodes

    def init(self, **given: Any) -> None:
        self.begun(given)

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": each} for each in self._nodes] + [
            {"Alive": False, "Resources": {"CPU": 9}}
        ]

    def remote(self, kind: type) -> SimpleNamespace:
        def options(**room: Any) -> SimpleNamespace:
            def made(*given: Any) -> Handle:
                self.asked.append(room)
                self.actors.append(Handle(kind(*given)))
                return self.actors[-1]

            return SimpleNamespace(remote=made)

        return SimpleNamespace(options=options)

    def put(self, value: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        answer.set_result(value)
        return answer

    def get(self, answer: Future[Any]) -> Any:
        return answer.result()

    def wait(
        self, answers: Sequence[Future[Any]], num_returns: int, timeout: float
    ) -> tuple[list[Future[Any]], list[Future[Any]]]:
        end = time.monotonic() + timeout
        done: set[Future[Any]] = set()
        while True:
            done, rest = wait(answers, max(0.0, end - time.monotonic()), FIRST_COMPLETED)
            if len(done) >= num_returns or not rest or time.monotonic() >= end:
                return [each for each in answers if each in done][:num_returns], list(rest)

    def kill(self, handle: Handle) -> None:
        handle.die("killed")

    def shutdown(self) -> None:
        self.left += 1
