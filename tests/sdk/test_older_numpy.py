"""The SDK and the screens use nothing that numpy 1.24 lacks: kivy-ios brings no newer one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SDK = Path(__file__).parents[2] / "sdk"

NEWER = frozenset(
    (
        "acos",
        "acosh",
        "asin",
        "asinh",
        "astype",
        "atan",
        "atan2",
        "atanh",
        "bitwise_count",
        "bitwise_invert",
        "bitwise_left_shift",
        "bitwise_right_shift",
        "bool",
        "concat",
        "cumulative_prod",
        "cumulative_sum",
        "dtypes",
        "exceptions",
        "isdtype",
        "long",
        "matrix_transpose",
        "matvec",
        "permute_dims",
        "pow",
        "strings",
        "trapezoid",
        "ulong",
        "unique_all",
        "unique_counts",
        "unique_inverse",
        "unique_values",
        "unstack",
        "vecdot",
        "vecmat",
    )
)
"""Names of numpy 2 that are none of 1.24.4, as `dir` says."""


def newer_names(source: str) -> set[str]:
    """Return the newer names of `np` that a module uses without asking `hasattr` first."""
    nodes = list(ast.walk(ast.parse(source)))
    used = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "np"
    }
    asked = {
        node.args[1].value
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "hasattr"
        and isinstance(node.args[1], ast.Constant)
    }
    return (used & NEWER) - asked


@pytest.mark.parametrize("package", ["kilohear", "kilohear_ui"])
def test_nothing_newer_is_used(package: str) -> None:
    files = sorted((SDK / package).rglob("*.py"))
    found = {file.name: newer_names(file.read_text("utf-8")) for file in files}
    assert {name: names for name, names in found.items() if names} == {}
    assert len(files) > 10


def test_a_newer_name_is_found() -> None:
    assert newer_names("x = np.vecdot(a, b)") == {"vecdot"}
    assert newer_names("x = np.vecdot(a, b) if hasattr(np, 'vecdot') else a @ b") == set()
