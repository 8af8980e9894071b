"""The search bar: words and dropped or pasted images together, and previews of the images."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile

from medclip_search.api import Library
from medclip_search.app.gallery import thumbnail_address
from medclip_search.app.session import BAR, QueryImage, Session
from medclip_search.errors import ImageError, MedClipError
from medclip_search.images import read_image
from medclip_search.server.shared import Shared

_PLACEHOLDER = "Type words, or drop or paste a figure (PNG, JPEG, TIFF, DICOM …), or both"


def search_bar(shared: Shared, session: Session) -> None:
    """The bar and, under it, the images that are being searched with."""

    def submitted() -> None:
        value: Any = st.session_state[BAR]
        session.troubles.clear()
        images = _read(value.files, shared.secret, session)
        # New images take the place of old ones; new words alone refine a search by image.
        session.ask(words=value.text, images=images if value.files else None)

    with st.container(key="searchbar"):
        st.chat_input(_PLACEHOLDER, key=BAR, accept_file="multiple", on_submit=submitted)
    for trouble in session.troubles:
        st.error(trouble, icon=":material/image_not_supported:")
    if session.images:
        _previews(session)


def search_with_figure(library: Library, session: Session, case_id: str) -> None:
    """Make a case's figure the query image: full size, or its thumbnail where that is gone."""
    session.troubles.clear()
    try:
        case = library.case(case_id)
        picture = _figure(library, case_id)
    except MedClipError as error:
        session.troubles.append(str(error))
        return
    name = f"Figure {case_id}"
    image = QueryImage(name, picture, f"case:{case_id}", thumbnail_address(case) or "")
    session.ask(words="", images=[image])


def _figure(library: Library, case_id: str) -> Any:
    try:
        return library.image(case_id)
    except ImageError:
        kept = library.thumbnail(case_id)
        if kept is None:
            raise
        return read_image(kept, name=case_id)


def _read(files: Sequence[UploadedFile], secret: bytes, session: Session) -> list[QueryImage]:
    """Decode uploads; each that cannot be read is told in a sentence and costs only itself."""
    images = []
    for file in files:
        content = file.getvalue()
        try:
            picture = read_image(content, name=file.name)
            images.append(QueryImage.uploaded(file.name, content, picture, secret))
        except ImageError as error:
            session.troubles.append(str(error))
        finally:
            _forget(file)
    return images


def _forget(file: UploadedFile) -> None:
    """Drop the upload's bytes from Streamlit's memory, which keeps them while the tab lives."""
    context, manager = get_script_run_ctx(), get_instance().uploaded_file_mgr
    if context is not None and isinstance(manager, MemoryUploadedFileManager):
        manager.remove_file(context.session_id, file.file_id)


def _previews(session: Session) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="previews"):
        for number, image in enumerate(list(session.images)):
            with st.container(
                horizontal=True, vertical_alignment="center", width="content", gap="xsmall"
            ):
                name = html.escape(image.name)
                st.html(
                    f'<img src="{html.escape(image.preview)}" alt="{name}" title="{name}" '
                    'style="height:64px;max-width:128px;background:#000;object-fit:contain;'
                    'border-radius:4px;display:block">',
                    width="content",
                )

                def remove(gone: QueryImage = image) -> None:
                    session.ask(images=[one for one in session.images if one is not gone])

                st.button(
                    "Remove",
                    key=f"remove-image-{number}",
                    icon=":material/close:",
                    help=f"Search without {image.name}",
                    type="tertiary",
                    on_click=remove,
                )
