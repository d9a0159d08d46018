import subprocess
import sys

import pytest

from ffdi.core.code import code_digest
from ffdi.report.provenance import provenance


def test_provenance_names_command_inputs_code_and_versions_and_no_time() -> None:
    lines = provenance("ffdi train --recipe a.toml", {"manifest": "ab" * 32})
    assert list(lines) == ["command", "manifest", "code", "versions"]
    assert lines["code"] == code_digest()
    assert "matplotlib" in lines["versions"]
    assert lines == provenance("ffdi train --recipe a.toml", {"manifest": "ab" * 32})


def test_a_package_without_metadata_is_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffdi.report.provenance.PACKAGES", ("numpy", "not-installed-at-all"))
    assert provenance("ffdi train", {})["versions"].endswith("not-installed-at-all –")


def test_pages_need_neither_torch_nor_pyplot() -> None:
    code = (
        "import sys\n"
        "from ffdi.report import blend, folds, scan, train\n"
        "from ffdi.report.figures import embed\n"
        "from ffdi.report.style import panel\n"
        "embed(panel()[0], 'title', 'alt')\n"
        "print(sorted({'torch', 'matplotlib.pyplot', 'tkinter'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
