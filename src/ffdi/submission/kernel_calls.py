"""What the kit asks of a kernel (a script or notebook) on Kaggle."""

from pathlib import Path

from ffdi.core.errors import UserError
from ffdi.submission import metadata
from ffdi.submission.answers import RUNNING, KernelSource, KernelState, Pushed, Quota, known
from ffdi.submission.calls import Calls
from ffdi.submission.fields import Body, date_of, hours_of, names_of, number_of, rows_of, text_of
from ffdi.submission.names import checked, without_collisions
from ffdi.submission.refusals import Refused, envelope, refusal

INVALID = {
    "invalidTags": "tags",
    "invalidDatasetSources": "datasets",
    "invalidCompetitionSources": "competitions",
    "invalidKernelSources": "kernels",
    "invalidModelSources": "models",
}


class Kernels(Calls):
    """Kernels and their runs."""

    def _push(self, folder: Path, timeout_seconds: int, doing: str) -> Body:
        """Kaggle's answer to the client's own push."""
        raise NotImplementedError

    def push_kernel(self, folder: Path, timeout_seconds: int) -> Pushed:
        """Make a version of the kernel in `folder`, as the kernel-metadata.json there says; it runs at once.

        The metadata must say whether it is private and may use the internet: what is left out, the client decides.
        """
        path = folder / metadata.KERNEL
        about = metadata.raw(path)
        for name in ("is_private", "enable_internet"):
            if not isinstance(about.get(name), bool):
                raise UserError(f'{path}: "{name}" must be true or false.')
        doing = f"push the kernel {about.get('id')}"
        return _pushed(self._push(folder, timeout_seconds, doing), doing)

    def kernel_status(self, owner: str, slug: str, version: int | None = None) -> KernelState:
        """The state of a version; without one, of the newest run."""
        doing, place = f"show the kernel {owner}/{slug}", _place(owner, slug, version)
        body = self._read(doing, "kernels", "GetKernelSessionStatus", place)
        states = ("complete", "error", "cancel_acknowledged", *RUNNING)
        return KernelState(known(text_of(body, "status") or "queued", *states), text_of(body, "failureMessage"))

    def newest_kernel(self, owner: str, slug: str) -> KernelSource:
        """The newest version and its text; version 0 if there is no kernel of that name that this user may see."""
        try:
            body = self._read(f"show the kernel {owner}/{slug}", "kernels", "GetKernel", _place(owner, slug, None))
        except Refused as error:
            if error.status in (403, 404):
                return KernelSource(0, "")
            raise
        about, blob = _part(body, "metadata"), _part(body, "blob")
        return KernelSource(number_of(about, "currentVersionNumber"), text_of(blob, "source"))

    def kernel_output(self, owner: str, slug: str, folder: Path, version: int | None = None) -> list[Path]:
        """Fetch what a run left, and its log as `<slug>.log`, into `folder`, which is empty or does not exist yet."""
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; name a fresh folder for the output of {owner}/{slug}.")
        doing, source = f"send the output of {owner}/{slug}", f"The output of {owner}/{slug}"
        pages = list(self._pages(doing, "kernels", "ListKernelSessionOutput", "files", _place(owner, slug, version)))
        files = [row for body in pages for row in rows_of(body, "files")]
        paths = [checked(text_of(row, "fileName"), source) for row in files]
        without_collisions(paths, source)
        folder.mkdir(parents=True, exist_ok=True)
        for path, row in zip(paths, files, strict=True):
            self._fetch(f"{doing} ({path.name})", text_of(row, "url"), folder / path)
        log = next((text for text in (text_of(body, "log") for body in pages) if text), "")
        if log and not (folder / f"{slug}.log").exists():
            (folder / f"{slug}.log").write_text(log, encoding="utf-8")
        return sorted(path for path in folder.rglob("*") if path.is_file())

    def gpu_quota(self) -> Quota:
        """The hours of GPU of this week."""
        body = self._read("show the GPU quota", "kernels", "GetAcceleratorQuotaStatistics", {})
        quota = body.get("gpuQuota")
        hours = quota if isinstance(quota, dict) else {}
        return Quota(
            hours_of(hours, "timeUsed"), hours_of(hours, "totalTimeAllowed"), date_of(body, "quotaRefreshTime")
        )


def _part(body: Body, name: str) -> Body:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def _place(owner: str, slug: str, version: int | None) -> dict[str, str]:
    place = {"userName": owner, "kernelSlug": slug}
    return place | ({"versionLabel": f"v{version}"} if version else {})


def _pushed(body: Body, doing: str) -> Pushed:
    """Kaggle answers a failed push with HTTP 200 too."""
    faults = [f"no such {kind}: {', '.join(names_of(body, name))}" for name, kind in INVALID.items() if body.get(name)]
    reason = text_of(body, "error") or (envelope(body) or (0, ""))[1]
    contests = names_of(body, "invalidCompetitionSources")
    if contests:
        faults.append("to attach a competition, accept its rules")
    if reason:
        faults.insert(0, reason)
    version = number_of(body, "versionNumber")
    if faults and version:
        faults.append(f"version {version} was made all the same; stop it on its page before you push again")
    if faults or not version:
        raise refusal(doing, 200, "; ".join(faults) or "the answer names no version", contests[0] if contests else "")
    return Pushed(version, text_of(body, "url"))
