"""How Kaggle is called: with a deadline, reads repeated, writes never, lists to their last page, every error ours.

Fields go out and come back under their names on the wire.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ffdi.submission import transfer
from ffdi.submission.fields import Body, rows_of, text_of
from ffdi.submission.patience import Patience, repeated, within
from ffdi.submission.refusals import Unreachable, explain

PAGE = 100  # rows asked for at a time
PAGES = 10_000  # more than any list of ours has: a server that repeats itself must not hold us


class Calls:
    """What the verbs stand on. `owner` is the user's name, `source` where the credential was found.

    Every public method of a subclass raises Refused (Kaggle said no), Unreachable (nothing was changed) or, where it
    writes, LostReply.
    """

    def __init__(self, source: str, owner: str, patience: Patience) -> None:
        self.source, self.owner, self.patience = source, owner, patience

    def _post(self, service: str, method: str, fields: Mapping[str, Any], stream: bool = False) -> Any:
        """One call, its answer as a dict; or the open answer of a stream. Raises what the client raises."""
        raise NotImplementedError

    def _once(
        self,
        doing: str,
        service: str,
        method: str,
        fields: Mapping[str, Any],
        slug: str = "",
        write: bool = False,
        stream: bool = False,
    ) -> Any:
        call = self.patience.call
        answer, error = within(call, lambda: self._post(service, method, fields, stream))
        if error is not None:
            raise explain(error, doing, slug, write)
        return answer

    def _read(self, doing: str, service: str, method: str, fields: Mapping[str, Any], slug: str = "") -> Body:
        """What changes nothing. `doing` completes "Kaggle refuses to …"; `slug`: the competition it is about."""
        return repeated(lambda: self._once(doing, service, method, fields, slug), self.patience)

    def _write(self, doing: str, service: str, method: str, fields: Mapping[str, Any], slug: str = "") -> Body:
        return self._once(doing, service, method, fields, slug, write=True)

    def _pages(
        self, doing: str, service: str, method: str, rows: str, fields: Mapping[str, Any], slug: str = ""
    ) -> Iterator[Body]:
        """Every page of a list, by the token of the next; by number where full pages come without a token."""
        token, number = "", 1
        before: list[Body] = []
        for _ in range(PAGES):
            turn = {"pageToken": token} if token else {"page": number} if number > 1 else {}
            body = self._read(doing, service, method, {**fields, "pageSize": PAGE, **turn}, slug)
            found = rows_of(body, rows)
            if found == before and number > 1:  # page numbers mean nothing to this list
                return
            yield body
            token, number, before = text_of(body, "nextPageToken"), number + 1, found
            if not token and len(found) < PAGE:
                return

    def _rows(
        self, doing: str, service: str, method: str, rows: str, fields: Mapping[str, Any], slug: str = ""
    ) -> list[Body]:
        return [row for body in self._pages(doing, service, method, rows, fields, slug) for row in rows_of(body, rows)]

    def _upload(
        self, doing: str, path: Path, service: str, method: str, fields: Mapping[str, Any], slug: str = ""
    ) -> str:
        """Put a file into Kaggle's storage and return the token of the blob.

        Repeated like a read: a blob that nothing names is nothing.
        """
        size, modified = path.stat().st_size, int(path.stat().st_mtime)
        asked = {**fields, "contentLength": size, "lastModifiedEpochSeconds": modified}

        def once() -> str:
            begun = self._once(doing, service, method, asked, slug)
            token, url = text_of(begun, "token"), text_of(begun, "createUrl")
            if not token or not url.startswith(("http://", "https://")):
                raise Unreachable(f"Kaggle named no place to upload {path.name} to; run again.")
            stall = self.patience.stall
            _, error = within(self.patience.transfer(size), lambda: transfer.put(url, path, stall))
            if error is not None:
                raise explain(error, f"take the upload of {path.name}", slug)
            return token

        return repeated(once, self.patience)

    def _fetch(self, doing: str, url: str, path: Path) -> None:
        def begin() -> Any:
            return repeated(once, self.patience)

        def once() -> Any:
            answer, error = within(self.patience.call, lambda: transfer.get(url, self.patience.stall))
            if error is not None:
                raise explain(error, doing)
            return answer

        transfer.fetch(begin, path, self.patience)
