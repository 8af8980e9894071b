"""Errors on the command line: each one line, and an exit status."""

from __future__ import annotations

import errno
import sqlite3
import sys

import click

from medclip_search.errors import MedClipError


def exit_status(error: BaseException) -> int:
    """Say an error in one line on stderr; gives 2 for a wrong call, 130 for a stop, else 1."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return 2
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "medclip-search"
        click.echo(f"{path}: {error.format_message()} (see '{path} --help')", err=True)
        return error.exit_code
    if isinstance(error, MedClipError):
        _say(str(error))
        return error.exit_status
    if isinstance(error, KeyboardInterrupt | click.Abort):
        click.echo("medclip-search: stopped; run the same command again to go on", err=True)
        return 130
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # whoever read our output has gone: nothing more to say
        return 1
    if _is_full(error):
        _say("the disk is full; make room, then run the same command again to go on")
        return 1
    _say(f"unexpected {type(error).__name__}: {error} (--debug shows where)")
    return 1


def _say(text: str) -> None:
    """One line, whatever a path or an id holds."""
    line = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    click.echo(f"medclip-search: {line}", err=True)


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)
