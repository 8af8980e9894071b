"""Every error that MedClip Search raises on purpose.

    MedClipError
    ├── UsageError              the call itself is wrong            (exit status 2)
    │   ├── QueryError          a query that cannot be asked
    │   └── FilterError         a filter that cannot be read
    ├── CorpusError             a corpus folder or table that cannot be read
    ├── ImageError              a picture that cannot be decoded
    ├── EncoderError            an encoder that is not the library's own, or fails
    │   └── EncoderUnavailableError   its weights or its programs are not here
    ├── EvaluationError         queries, judgements or runs that cannot be read or used
    ├── StateError              the state database cannot be used
    │   ├── TrayFileError       a file that is no exported tray
    │   ├── TrayNotFoundError   no tray has this name
    │   └── TrayExistsError     another tray has this name
    └── LibraryError            the folder on disk
        ├── NotALibraryError    there is no library at this path
        ├── LibraryBusyError    another build holds the lock
        ├── LibraryTooNewError  written by a newer program
        ├── LibraryDamagedError a file is missing or is not what was published
        └── CaseNotFoundError   no case has this id

Each message is one line: what it is about, the reason, and the remedy.
"""

from __future__ import annotations


class MedClipError(Exception):
    """The root: catch this to catch them all. ``exit_status`` is the command line's."""

    exit_status = 1


class UsageError(MedClipError):
    """The call itself is wrong."""

    exit_status = 2


class QueryError(UsageError):
    """A query that cannot be asked."""


class FilterError(UsageError):
    """A filter that cannot be read."""


class CorpusError(MedClipError):
    """A corpus that cannot be read at all (single bad entries are skipped, not raised)."""


class ImageError(MedClipError):
    """A picture that cannot be decoded. ``reason`` and ``remedy`` are kept apart for reports."""

    def __init__(self, name: str, reason: str, remedy: str = "") -> None:
        self.name, self.reason, self.remedy = name, reason, remedy
        super().__init__(f"{name}: {reason}" + (f"; {remedy}" if remedy else ""))


class EncoderError(MedClipError):
    """An encoder that fails, or is not the one that made the library."""


class EncoderUnavailableError(EncoderError):
    """An encoder whose weights, or the packages that run it, are not here."""


class EvaluationError(MedClipError):
    """Queries, judgements or runs that cannot be read, or do not fit the library."""


class StateError(MedClipError):
    """The state database (trays, feedback, history) cannot be used."""


class TrayFileError(StateError):
    """A file that a tray cannot be imported from."""


class TrayNotFoundError(StateError):
    """The user has no tray of this name in this library."""


class TrayExistsError(StateError):
    """The user has another tray of this name in this library."""


class LibraryError(MedClipError):
    """Something about the folder on disk."""


class NotALibraryError(LibraryError):
    """There is no library at this path."""


class LibraryBusyError(LibraryError):
    """Another process is writing to the library."""


class LibraryTooNewError(LibraryError):
    """The library was written by a newer program."""


class LibraryDamagedError(LibraryError):
    """A file of the library is missing, or is not what was published."""


class CaseNotFoundError(LibraryError):
    """No case of the library has this id."""
