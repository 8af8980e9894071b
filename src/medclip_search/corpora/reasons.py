"""Why an entry, or a part of it, was skipped: the same words for the same cause everywhere."""

from __future__ import annotations

DUPLICATE_ID = "duplicate id"
NO_ID = "no id"
NO_COLUMN = "column missing"
NO_CAPTION_COLUMN = "no obvious caption column"
NO_IMAGE = "no image named"
MISSING_IMAGE = "image file not found"
AMBIGUOUS_IMAGE = "image name fits several files"
SEVERAL_IMAGES = "several images in one row"
EMPTY_CAPTION = "empty caption"
PLACEHOLDER_CAPTION = "placeholder caption"
NOTHING_LEFT = "neither image nor caption"
NOT_UTF8 = "not UTF-8"
BAD_FILE_NAME = "file name is not UTF-8"
BAD_JSON = "not valid JSON"
NOT_AN_OBJECT = "not a JSON object"
BAD_ROW = "quotes or number of fields do not fit the header"
EMPTY_FILE = "empty file"
BAD_LINE = "line without a ROCO id"
TOO_LONG = "line too long"
OUTSIDE_DOCUMENT = "text outside any document"
LONG_DOCUMENT = "document too long"
UNREADABLE = "file damaged or cut short"
NO_PERMISSION = "no permission to read it"
BROKEN_LINK = "link to nothing"
NOT_REGULAR = "pipe, socket or device, not a file"
A_FOLDER = "folder, not a file"
NOT_A_FOLDER = "file, not a folder"
ABSENT = "no such file or folder"
MANY_FOLDERS = "too many folders to look into all of them"
NO_IMAGES_FOLDER = "no images folder"
NO_CAPTIONS_FILE = "no captions file"
"""Reasons are counted at the end of a build, hence few."""

CONCEALING = frozenset({UNREADABLE, NO_PERMISSION, BROKEN_LINK})
"""Behind these may lie any number of cases: what a link leads to may only not be mounted."""

REMEDIES = {
    UNREADABLE: "copy or export it again",
    EMPTY_FILE: "copy or download it again, or remove it",
    NO_PERMISSION: "allow it, for example with chmod -R u+rX",
    BROKEN_LINK: "mount what it leads to, or remove it",
    NOT_REGULAR: "put a file in its place, or remove it",
}
"""What the user can do, where that follows from the reason alone."""
