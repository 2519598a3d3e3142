"""One draw means the same thing at every rate."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from kilohear_training.augmentation import Augmentation, augment, draw_epoch, mix_targets

CLIPS, SECONDS = 6, 2.0


def ramp(frames: int) -> torch.Tensor:
    """Return features that tell their clip and time: (clips, frames, 2)."""
    time_s = torch.arange(frames) * SECONDS / frames
    clip = torch.arange(CLIPS, dtype=torch.float32)[:, None].expand(-1, frames)
    return torch.stack([clip, time_s.expand(CLIPS, -1)], dim=2)


@given(st.integers(0, 1000), st.integers(0, 50))
def test_a_draw_is_a_function_of_seed_and_epoch(seed: int, epoch: int) -> None:
    first = draw_epoch(Augmentation(), CLIPS, SECONDS, seed, epoch)
    again = draw_epoch(Augmentation(), CLIPS, SECONDS, seed, epoch)
    np.testing.assert_array_equal(first.roll, again.roll)
    np.testing.assert_array_equal(first.partner, again.partner)


@given(st.integers(0, 1000))
def test_teacher_and_student_hear_the_same_draw(seed: int) -> None:
    draw = draw_epoch(Augmentation(masks=0, mixup=0), CLIPS, SECONDS, seed, 0)
    rows = np.arange(CLIPS)
    fill = torch.zeros(2)
    fine = augment(ramp(400), draw, rows, SECONDS / 400, fill)[:, 0]
    coarse = augment(ramp(40), draw, rows, SECONDS / 40, fill)[:, 0]
    # The rolls agree within a coarse frame.
    start_fine, start_coarse = fine[:, 0, 1], coarse[:, 0, 1]
    away = (start_fine - start_coarse).abs() % SECONDS
    assert float(torch.minimum(away, SECONDS - away).max()) <= 2 * SECONDS / 40


def test_rounds_repeat_the_draw_in_another_order() -> None:
    augmentation = Augmentation(draws=3)
    first = draw_epoch(augmentation, 50, SECONDS, 1, 0)
    later = draw_epoch(augmentation, 50, SECONDS, 1, 3)
    np.testing.assert_array_equal(first.roll, later.roll)
    assert not np.array_equal(first.order, later.order)
    assert not np.array_equal(first.roll, draw_epoch(augmentation, 50, SECONDS, 1, 1).roll)


@given(st.integers(0, 1000))
def test_targets_are_mixed_as_the_clips_are(seed: int) -> None:
    draw = draw_epoch(Augmentation(), CLIPS, SECONDS, seed, 0)
    targets = mix_targets(torch.arange(CLIPS), draw, np.arange(CLIPS), CLIPS)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(CLIPS))
    own = targets[torch.arange(CLIPS), torch.arange(CLIPS)]
    assert bool((own >= 0.5).all())


def test_masks_hold_the_fill() -> None:
    draw = draw_epoch(Augmentation(masks=1, mask_s=1.0, mixup=0), CLIPS, SECONDS, 3, 0)
    out = augment(ramp(200), draw, np.arange(CLIPS), SECONDS / 200, torch.tensor([-7.0, -7.0]))
    masked = (out[:, 0, :, 0] == -7).sum(dim=1) * SECONDS / 200
    expected = np.minimum(draw.mask_end_s[:, 0], SECONDS) - draw.mask_start_s[:, 0]
    np.testing.assert_allclose(masked.numpy(), expected, atol=2 * SECONDS / 200)


@given(st.integers(0, 1000))
def test_partners_can_be_kept_within_groups(seed: int) -> None:
    groups = np.array([1, 2, 1, 2, 2, 1])
    draw = draw_epoch(Augmentation(), CLIPS, SECONDS, seed, 0, groups)
    np.testing.assert_array_equal(groups[draw.partner], groups)
    assert sorted(draw.partner) == list(range(CLIPS))
