"""The search bar: words and dropped or pasted images together, and chips that show them."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile

from medclip_search.api import Library
from medclip_search.app.filters import clear_filters
from medclip_search.app.gallery import thumbnail_address
from medclip_search.app.session import QueryImage, Session
from medclip_search.app.theme import plain
from medclip_search.errors import ImageError, MedClipError
from medclip_search.images import read_image
from medclip_search.search.regions import Box
from medclip_search.server.shared import Shared

_BAR = "bar"
_PLACEHOLDER = "Type words, or drop or paste a figure (PNG, JPEG, TIFF, DICOM …), or both"


def search_bar(
    shared: Shared, library: Library, session: Session, where: tuple[str, ...], *, pictures: bool
) -> None:
    """The bar and, under it, what is being searched; ``pictures``: whether images can be asked."""

    def submitted() -> None:
        value: Any = st.session_state[_BAR]
        text, files = (value.text, value.files) if pictures else (value, ())
        session.troubles.clear()
        images = _read(files, shared.secret, session)
        # What is new takes the place of what was: words of words, images of images. All else
        # stays, shown in the chips; so it does where no file could be read.
        session.ask(words=text.strip() or None, images=images or None)

    # Outside a container, Streamlit puts the bar at the page's foot.
    with st.container(key="searchbar"):
        st.chat_input(
            _PLACEHOLDER if pictures else "Type words",
            key=_BAR,
            accept_file="multiple" if pictures else False,
            on_submit=submitted,
        )
    for trouble in session.troubles:
        st.error(trouble, icon=":material/image_not_supported:")
    if session.words or session.images or session.area or where:
        _asked(shared, library, session)


def search_with_figure(
    library: Library, session: Session, case_id: str, box: Box | None = None
) -> None:
    """Make a case's figure the query image: full size, or its thumbnail where that is gone.

    With a box, in fractions, by that part of it.
    """
    session.troubles.clear()
    try:
        case = library.case(case_id)
        image = QueryImage(
            f"Figure {case_id}",
            _figure(library, case_id),
            f"case:{case_id}",
            thumbnail_address(case) or "",
            case_id=case_id,
        )
        session.ask(words="", images=[image if box is None else image.by_region(box)])
    except MedClipError as error:
        session.troubles.append(str(error))


def search_by_region(session: Session, image: QueryImage, box: Box | None) -> None:
    """Search by a box of a query image, in fractions; ``None``: by the whole image."""
    session.troubles.clear()
    try:
        changed = image.by_region(box)
    except MedClipError as error:
        session.troubles.append(str(error))
        return
    session.ask(images=[changed if one is image else one for one in session.images])


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


def _asked(shared: Shared, library: Library, session: Session) -> None:
    """A chip for the words and one for each image, each with a way to take it back."""

    def new_search() -> None:
        session.troubles.clear()
        session.ask(words="", images=[])
        session.area = ()
        clear_filters()

    with st.container(horizontal=True, vertical_alignment="center", key="asked"):
        if session.words:

            def without_words() -> None:
                session.ask(words="")

            said = html.escape(f"“{session.words}”")
            _chip("words", session.words, f"<span>{said}</span>", without_words)
        for number, image in enumerate(session.images):

            def without_image(gone: QueryImage = image) -> None:
                session.ask(images=[one for one in session.images if one is not gone])

            def open_image(opened: QueryImage = image) -> None:
                session.opened_image = opened

            _chip(f"image-{number}", image.name, _image(image), without_image, open_image)
        if session.area:

            def everywhere() -> None:
                session.area = ()

            _chip("area", "an area of the map", "<span>In an area of the map</span>", everywhere)
        st.button("New search", icon=":material/restart_alt:", on_click=new_search)


def _image(image: QueryImage) -> str:
    name, alt = html.escape(image.name), html.escape(image.name)
    part = ""
    if image.region is not None:
        alt, part = f"Region of {name}", "<small>region</small>"
    return f'<img src="{html.escape(image.preview)}" alt="{alt}"><span>{name}</span>{part}'


def _chip(
    key: str,
    name: str,
    content: str,
    remove: Callable[[], None],
    look: Callable[[], None] | None = None,
) -> None:
    with st.container(
        horizontal=True,
        vertical_alignment="center",
        width="content",
        gap="xsmall",
        border=True,
        key=f"chip-{key}",
    ):
        title = html.escape(name)
        st.html(f'<div class="medclip-chip" title="{title}">{content}</div>', width="content")
        if look is not None:
            st.button(
                "Look",
                key=f"look-{key}",
                icon=":material/crop:",
                help=f"Look at {plain(name)}, and search by a part of it",
                type="tertiary",
                on_click=look,
            )
        st.button(
            "Remove",
            key=f"remove-{key}",
            icon=":material/close:",
            help=f"Search without {plain(name)}",
            type="tertiary",
            on_click=remove,
        )
