from __future__ import annotations

import errno
import os

import pytest

from imgcycle.errors import DiskFull, InputError, MissingExtra, OutputError, WeightsError, is_full, reported


def refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("kind", [InputError, OutputError, WeightsError])
def test_what_the_system_refuses_is_one_line_with_its_number(kind: type[OutputError]) -> None:
    with pytest.raises(kind) as caught, reported(kind, "a.jpg cannot be had", "try b.jpg"):
        raise refused(errno.EACCES)
    assert type(caught.value) is kind
    assert str(caught.value) == "a.jpg cannot be had: Permission denied (try b.jpg)"
    assert caught.value.errno == errno.EACCES


def test_a_full_disk_is_a_kind_of_error_where_something_is_written() -> None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(DiskFull, match=r"^a\.jpg: ") as caught, reported(OutputError, "a.jpg"):
            raise refused(number)
        assert is_full(caught.value)
        with pytest.raises(InputError) as other, reported(InputError):
            raise refused(number)
        assert not is_full(other.value)
        assert str(other.value) == os.strerror(number)
        assert is_full(refused(number))
    assert not is_full(refused(errno.EACCES))
    assert not is_full(ValueError(os.strerror(errno.ENOSPC)))


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="odd"), reported(OutputError):
        raise ValueError("odd")


def test_an_error_at_a_place_is_a_new_one_of_its_kind() -> None:
    first = MissingExtra("raw", "reading RAW")
    second = first.at("a.nef")
    assert type(second) is MissingExtra
    assert (second.extra, second.hint) == (first.extra, first.hint)
    assert second.message == "a.nef: reading RAW needs an optional package"
    assert second.args == (second.message,)
    assert first.message == "reading RAW needs an optional package"
