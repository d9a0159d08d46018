"""optuna-dashboard shows what the study holds, and changes nothing; skipped where it is not installed."""

import io
import json
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.search import workers
from ffdi.search.study import Trial, watched
from tests.search.examples import objective, wishes

dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")


def some_fail(trial: Trial, stop: Stop) -> float:
    if trial.number == 2:
        raise UserError("no such weights")
    return objective()(trial, stop)


def asked(storage: BaseStorage, path: str) -> Any:
    """What its page is told at `path`."""
    environment: dict[str, Any] = {"PATH_INFO": path.split("?")[0], "QUERY_STRING": path.partition("?")[2]}
    setup_testing_defaults(environment)
    environment["wsgi.errors"] = errors = io.StringIO()
    body = dashboard.wsgi(storage)(environment, lambda *_: None)
    assert not errors.getvalue()
    return json.loads(b"".join(body))


def shown(trials: list[FrozenTrial]) -> list[tuple[Any, ...]]:
    return [
        (trial.number, trial.state.name, trial.value, {name: str(value) for name, value in trial.params.items()})
        for trial in trials
    ]


@pytest.mark.parametrize("torn", [0, 7])
def test_names_states_params_and_values_agree(torn: int, tmp_path: Path) -> None:
    """Also when a kill has torn the last record off."""
    wanted = wishes(tmp_path, trials=7)
    workers.work(wanted, some_fail, Stop())
    wanted.journal.write_bytes(wanted.journal.read_bytes()[: -torn or None])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    storage = JournalStorage(JournalFileBackend(str(wanted.journal)))  # as its command line opens a path
    (study,) = asked(storage, "/api/studies")["study_summaries"]
    assert (study["study_name"], study["directions"]) == ("cheap", ["maximize"])
    told = asked(storage, f"/api/studies/{study['study_id']}?after=0")["trials"]
    with watched(wanted) as ours:
        expected = shown(ours.trials())
    assert {state for _, state, *_ in expected} >= {"COMPLETE", "FAIL"}
    assert expected[-1][1] == ("RUNNING" if torn else "COMPLETE")
    assert [
        (
            trial["number"],
            trial["state"].upper(),
            trial["values"][0] if "values" in trial else None,
            {param["name"]: param["param_external_value"] for param in trial["params"]},
        )
        for trial in told
    ] == expected
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
