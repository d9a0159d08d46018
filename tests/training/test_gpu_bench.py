"""`python -m tests.bench gpu` takes names of parts, so that a short session on a card measures what is missing."""

from collections.abc import Callable

import pytest

from tests.bench import gpu


def say(name: str) -> Callable[[], None]:
    return lambda: print(name, flush=True)


@pytest.fixture(autouse=True)
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "PARTS", {name: say(name) for name in gpu.PARTS} | {"doctor": lambda: 1 / 0})
    monkeypatch.setattr(gpu, "photographs", lambda *_: None)
    monkeypatch.setattr(gpu, "nets", lambda _, roles, models: say(" ".join([*roles, *models])))


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        ("caformer_s18 training folds", ["folds", "training caformer_s18"]),
        ("kills prediction doctor", ["doctor: failed", "prediction " + " ".join(gpu.NETS), "kills"]),
    ],
)
def test_named_parts_run_what_is_unmeasured_first_and_go_on_after_a_failure(
    names: str, lines: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    gpu.main(*names.split())
    assert capfd.readouterr().out.splitlines()[-len(lines) :] == lines


def test_without_names_every_part_runs(capfd: pytest.CaptureFixture[str]) -> None:
    gpu.main()
    told = capfd.readouterr().out
    assert all(name in told for name in (*gpu.PARTS, *gpu.ROLES, *gpu.NETS))
