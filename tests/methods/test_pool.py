"""The image pool: fills first, then exchanges about half of the time."""

from __future__ import annotations

import torch

from imgcycle.methods.pool import ImagePool


def image(value: int) -> torch.Tensor:
    return torch.full((1, 1, 2, 2), float(value))


def test_it_fills_before_it_exchanges() -> None:
    pool = ImagePool(3)
    assert [float(pool.query(image(n))[0, 0, 0, 0]) for n in range(3)] == [0, 1, 2]
    assert [float(kept[0, 0, 0]) for kept in pool.images] == [0, 1, 2]


def test_then_half_of_what_it_hands_out_is_old_and_nothing_is_lost() -> None:
    torch.manual_seed(1)
    pool = ImagePool(10)
    handed = [int(pool.query(image(n))[0, 0, 0, 0]) for n in range(1010)]
    old = sum(value != n for n, value in enumerate(handed))
    assert 430 < old < 570
    kept = [int(k[0, 0, 0]) for k in pool.images]
    assert sorted(handed[10:] + kept) == list(range(1010))


def test_decisions_are_made_image_by_image() -> None:
    torch.manual_seed(0)
    pool = ImagePool(1)
    pool.query(image(0))
    batch = torch.cat([image(n) for n in range(1, 9)])
    handed = pool.query(batch)[:, 0, 0, 0].tolist()
    assert sorted([*handed, float(pool.images[0][0, 0, 0])]) == list(range(9))
    assert handed != list(range(1, 9))


def test_size_zero_hands_everything_through_detached() -> None:
    made = image(3).requires_grad_()
    assert torch.equal(ImagePool(0).query(made), made)
    assert not ImagePool(0).query(made).requires_grad


def test_its_state_brings_it_back() -> None:
    pool, other = ImagePool(2), ImagePool(2)
    for n in range(2):
        pool.query(image(n))
    other.load_state(pool.state(), torch.device("cpu"))
    torch.manual_seed(5)
    first = pool.query(image(9))
    torch.manual_seed(5)
    assert torch.equal(first, other.query(image(9)))
