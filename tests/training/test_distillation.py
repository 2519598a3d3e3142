"""The loss is the paper's equations (1) and (2), in value and in gradient."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kilohear_training.distillation import averaged_logits, distillation_loss

# Two clips, three classes, worked with exp and log alone in `by_hand`.
# In float64: at high temperatures float32 leaves few digits of a small divergence.
STUDENT = [[1.0, -0.5, 0.25], [0.0, 2.0, -1.0]]
TEACHER = [[2.0, 0.5, -1.0], [0.3, 0.1, 0.2]]
TARGETS = [0, 2]


def double(values: list[list[float]], requires_grad: bool = False) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=requires_grad)


def softmax(logits: list[float], temperature: float) -> list[float]:
    powers = [math.exp(logit / temperature) for logit in logits]
    return [power / sum(powers) for power in powers]


def by_hand(alpha: float, temperature: float) -> float:
    cross_entropy = divergence = 0.0
    for student, teacher, target in zip(STUDENT, TEACHER, TARGETS, strict=True):
        cross_entropy -= math.log(softmax(student, 1.0)[target])
        q_s, q_t = softmax(student, temperature), softmax(teacher, temperature)
        divergence += sum(t * math.log(t / s) for s, t in zip(q_s, q_t, strict=True))
    return alpha * cross_entropy / 2 + (1 - alpha) * temperature**2 * divergence / 2


def gradient_by_hand(alpha: float, temperature: float) -> list[list[float]]:
    """Return dL/dy_s: alpha (p - y) / n + (1 - alpha) T (q_s - q_t) / n."""
    rows = []
    for student, teacher, target in zip(STUDENT, TEACHER, TARGETS, strict=True):
        p = softmax(student, 1.0)
        q_s, q_t = softmax(student, temperature), softmax(teacher, temperature)
        rows.append(
            [
                alpha * (p[c] - (c == target)) / 2
                + (1 - alpha) * temperature * (q_s[c] - q_t[c]) / 2
                for c in range(3)
            ]
        )
    return rows


weights = st.floats(0.0, 1.0)
temperatures = st.floats(0.5, 10.0)


@given(weights, temperatures)
def test_value_is_the_equation(alpha: float, temperature: float) -> None:
    loss = distillation_loss(
        double(STUDENT), double(TEACHER), torch.tensor(TARGETS), alpha, temperature
    )
    assert float(loss) == pytest.approx(by_hand(alpha, temperature), rel=1e-9, abs=1e-12)


@given(weights, temperatures)
def test_gradient_is_the_derivative(alpha: float, temperature: float) -> None:
    student = double(STUDENT, requires_grad=True)
    distillation_loss(
        student, double(TEACHER), torch.tensor(TARGETS), alpha, temperature
    ).backward()
    expected = double(gradient_by_hand(alpha, temperature))
    torch.testing.assert_close(student.grad, expected, rtol=1e-9, atol=1e-12)


def test_soft_targets_of_one_class_are_the_class() -> None:
    student, teacher = double(STUDENT), double(TEACHER)
    one_hot = torch.nn.functional.one_hot(torch.tensor(TARGETS), 3).double()
    hard = distillation_loss(student, teacher, torch.tensor(TARGETS), 0.4, 2.0)
    assert float(distillation_loss(student, teacher, one_hot, 0.4, 2.0)) == pytest.approx(
        float(hard)
    )


def test_teacher_gets_no_gradient() -> None:
    teacher = nn.Linear(4, 3)
    student = nn.Linear(4, 3)
    x = torch.randn(5, 4)
    distillation_loss(student(x), teacher(x), torch.zeros(5, dtype=torch.long), 0.5, 2.0).backward()
    assert teacher.weight.grad is None
    assert student.weight.grad is not None


def test_several_teachers_answer_by_their_mean_probability() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 4, generator=random, dtype=torch.float64)
    may_answer = torch.tensor([[1, 1, 0, 1, 0], [1, 0, 1, 1, 0], [1, 0, 0, 0, 1]], dtype=torch.bool)
    temperature = 3.0
    result = averaged_logits(logits, may_answer, temperature)
    for clip in range(5):
        answers = [logits[t, clip] for t in range(3) if may_answer[t, clip]]
        expected = sum((y / temperature).softmax(0) for y in answers) / len(answers)
        assert isinstance(expected, torch.Tensor)
        torch.testing.assert_close((result[clip] / temperature).softmax(0), expected)


def test_one_answer_is_left_as_it_is() -> None:
    logits = torch.randn(2, 3, 4)
    may_answer = torch.tensor([[True, False, True], [False, True, False]])
    result = averaged_logits(logits, may_answer, 2.0)
    assert torch.equal(result, torch.stack([logits[0, 0], logits[1, 1], logits[0, 2]]))
