from __future__ import annotations

import numpy as np
import torch

from kilohear_training.export.parity import reference_probabilities
from kilohear_training.export.student import WaveformStudent


def test_folding_changes_no_probability_and_not_the_network(trained):
    before = {key: value.clone() for key, value in trained.network.state_dict().items()}
    student = WaveformStudent(trained.front_end, trained.network)
    given = student(torch.from_numpy(trained.held_out)).numpy()
    reference = reference_probabilities(trained.front_end, trained.network, trained.held_out)
    np.testing.assert_allclose(given, reference, atol=1e-5)
    after = trained.network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_no_norm_is_left_and_no_constant_has_a_stride_of_0(trained):
    student = WaveformStudent(trained.front_end, trained.network)
    assert not [m for m in student.modules() if isinstance(m, torch.nn.modules.batchnorm._NormBase)]
    for name, buffer in student.named_buffers():
        assert buffer.is_contiguous(), name
        assert 0 not in buffer.stride(), name
