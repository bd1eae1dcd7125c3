"""A task whose files are in an object store: its input is brought here, the same task done with files of this machine,
its result sent there whole.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from imgcycle.errors import InputError, OutputError, reported
from imgcycle.jobs.events import Event, FrameProgress, Note
from imgcycle.jobs.ledger import relative_name
from imgcycle.jobs.tasks import ClipTask, Task, TaskResult
from imgcycle.media import remote
from imgcycle.media.paths import shown
from imgcycle.media.remote import ObjectFacts, is_remote
from imgcycle.media.temporary_folder import TemporaryFolder

AnyTask = TypeVar("AnyTask", Task, ClipTask)


def is_afar(task: Task | ClipTask) -> bool:
    """True if the input or the output is in a store."""
    return is_remote(task.input) or is_remote(task.output)


class StagedTask(Generic[AnyTask]):
    """The task's files here: `task` names them. InputError if the input cannot be brought; a context, which removes
    them.
    """

    def __init__(self, task: AnyTask) -> None:
        self._asked: AnyTask = task
        self._home = TemporaryFolder()
        self._source: ObjectFacts | None = None
        try:
            self.task: AnyTask = self._staged(task)
        except BaseException:
            self.close()
            raise

    def _staged(self, task: AnyTask) -> AnyTask:
        home, names = self._home.path, {}
        if is_remote(task.input):
            path = home / "in" / Path(task.input).name
            with reported(InputError):
                path.parent.mkdir()
            self._source = remote.fetch_object(Path(task.input), path)
            names["input"] = os.fspath(path)
        if is_remote(task.output):
            path = home / "out" / Path(task.output).name
            with reported(OutputError):
                path.parent.mkdir()
            names |= {"output": os.fspath(path), "root": os.fspath(path.parent)}
        return task.replace(**names)

    def delivered(self, result: TaskResult) -> TaskResult:
        """Send the result where it belongs, and name files as they are called there; OutputError if that fails."""
        asked, record = self._asked, result.record
        if record is not None:
            record = replace(record, input=asked.input, output=relative_name(Path(asked.root), Path(asked.output)))
            if self._source is not None:
                record = replace(record, input_tag=self._source.tag)
            if is_remote(asked.output):
                # Planned where nothing was, unless there is a reason: then it is to be replaced.
                there = remote.put_object(Path(self.task.output), Path(asked.output), create=not asked.reason)
                record = replace(record, output_size=there.size, output_tag=there.tag)
        row = replace(result.row, input=asked.input, output=asked.output)
        return replace(result, row=row, record=record)

    def told(self, event: Event) -> Event:
        """An event with the names that files have there."""
        if isinstance(event, FrameProgress):
            return replace(event, input=self._asked.input)
        if isinstance(event, Note):
            return Note(event.text.replace(shown(self.task.input), shown(self._asked.input)))
        return event

    def close(self) -> None:
        """Remove the files here."""
        self._home.close()

    def __enter__(self) -> StagedTask[AnyTask]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
