"""Where query images come from: uploads, decoded in memory, and figures of the library's cases."""

from __future__ import annotations

from collections.abc import Sequence

from streamlit.runtime import get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile

from medclip_search.api import Library
from medclip_search.app.gallery import thumbnail_address
from medclip_search.app.session import QueryImage
from medclip_search.errors import ImageError
from medclip_search.images import read_image


def figure_of(library: Library, case_id: str) -> QueryImage:
    """A case's figure as a query image. Raises ``MedClipError``."""
    case = library.case(case_id)
    return QueryImage(
        f"Figure {case_id}",
        library.figure(case_id),
        f"case:{case_id}",
        thumbnail_address(case) or "",
        case_id=case_id,
    )


def read_uploads(
    files: Sequence[UploadedFile], secret: bytes
) -> tuple[list[QueryImage], list[str]]:
    """Decode uploads; each that cannot be read is told in a sentence and costs only itself."""
    images: list[QueryImage] = []
    troubles: list[str] = []
    for file in files:
        content = file.getvalue()
        try:
            picture = read_image(content, name=file.name)
            images.append(QueryImage.uploaded(file.name, content, picture, secret))
        except ImageError as error:
            troubles.append(str(error))
        finally:
            _forget(file)
    return images, troubles


def _forget(file: UploadedFile) -> None:
    """Drop the upload's bytes from Streamlit's memory, which keeps them while the tab lives."""
    context, manager = get_script_run_ctx(), get_instance().uploaded_file_mgr
    if context is not None and isinstance(manager, MemoryUploadedFileManager):
        manager.remove_file(context.session_id, file.file_id)
