"""XMP: properties that remain true are kept, and the recipe of a result is added; every format can hold it."""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from imgcycle.media.metadata.places import is_place, tells_place

RECIPE = "urn:imgcycle:recipe:1#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
_TIFF = "http://ns.adobe.com/tiff/1.0/"
_EXIF = "http://ns.adobe.com/exif/1.0/"
_BEGIN = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_END = b'\n<?xpacket end="w"?>'
_UNTRUE_SPACES = (
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/container/item/",
    "http://ns.google.com/photos/1.0/camera/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/dd/1.0/device/",
)
"""Namespaces of gain maps, motion-photo trailers and depth maps: data that a result no longer holds."""
_UNTRUE_NAMES = (
    f"{{{_TIFF}}}Orientation",
    f"{{{_TIFF}}}ImageWidth",
    f"{{{_TIFF}}}ImageLength",
    f"{{{_EXIF}}}PixelXDimension",
    f"{{{_EXIF}}}PixelYDimension",
    "{http://ns.adobe.com/xap/1.0/}Thumbnails",
    "{http://ns.adobe.com/xmp/note/}HasExtendedXMP",
)
_UNTRUE_RESCALED = tuple(
    f"{{{space}}}{name}"
    for space, names in (
        (_TIFF, ("XResolution", "YResolution", "ResolutionUnit")),
        (_EXIF, ("FocalPlaneXResolution", "FocalPlaneYResolution", "SubjectArea", "SubjectLocation")),
    )
    for name in names
)
"""Counts of pixels, which are no longer true of a smaller image; EXIF's own are scaled."""
_DEEPEST, _MOST_ELEMENTS = 100, 200_000
"""Depth and number of elements: far more than any program writes, and fewer than would exhaust memory or the stack."""
_NAMES = {
    "imgcycle": RECIPE,
    "rdf": _RDF,
    "x": _META,
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "tiff": _TIFF,
    "exif": _EXIF,
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "stRef": "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
}


def updated_xmp(
    packet: bytes,
    recipe: dict[str, Any] | None,
    keep: bool = True,
    keep_gps: bool = True,
    notes: list[str] | None = None,
    rescaled: bool = False,
) -> bytes:
    """The packet without properties that are no longer true and with `recipe`; empty bytes if nothing is left.

    `keep` False starts from an empty packet, `keep_gps` False removes locations, at any depth, `rescaled`
    True densities and positions in pixels. A packet that is not
    XML, declares entities, or still holds a location after that is dropped, with a line in `notes`.
    """
    said = [] if notes is None else notes
    root = _parsed(packet) if keep else None
    if keep and packet.strip(b"\0 \r\n\t") and root is None:
        said.append("damaged XMP was left out")
    if root is not None and not keep_gps:
        _drop_places(root)
        if _holds_place(root):
            said.append("XMP was left out: a place in it")
            root = None
    tree = root.find(f".//{{{_RDF}}}RDF") if root is not None and root.tag != f"{{{_RDF}}}RDF" else root
    if root is None or tree is None:
        if root is not None and (len(root) or root.attrib):
            said.append("damaged XMP was left out")
        if recipe is None:
            return b""
        root = ElementTree.Element(f"{{{_META}}}xmpmeta")
        tree = ElementTree.SubElement(root, f"{{{_RDF}}}RDF")
    for description in list(tree):
        _clean(description, _UNTRUE_RESCALED if rescaled else ())
        about = f"{{{_RDF}}}about"
        if not len(description) and not (set(description.attrib) - {about}):
            tree.remove(description)
    if recipe is not None:
        own = ElementTree.SubElement(tree, f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": ""})
        own.set(f"{{{RECIPE}}}recipe", json.dumps(recipe, sort_keys=True, separators=(",", ":")))
    if not len(tree):
        return b""
    for prefix, uri in _NAMES.items():
        ElementTree.register_namespace(prefix, uri)
    body: bytes = ElementTree.tostring(root, "utf-8")
    if _parsed(body) is None:  # names that XML allows and its writer does not
        said.append("XMP that could not be written again was left out")
        return updated_xmp(b"", recipe)
    return _BEGIN + body + _END


def xmp_orientation(packet: bytes) -> int | None:
    """Orientation, 1 to 8, stated in a packet; None if there is none."""
    root = _parsed(packet) if b"Orientation" in packet.replace(b"\0", b"") else None
    name = f"{{{_TIFF}}}Orientation"
    for element in root.iter() if root is not None else ():
        text = element.get(name) or (element.text if element.tag == name else None)
        if text is not None and re.fullmatch(r"\s*[1-8]\s*", text):
            return int(text)
    return None


def recipe_of(packet: bytes) -> dict[str, Any] | None:
    """The recipe in a packet, or None."""
    if RECIPE.encode() not in packet:
        return None
    root = _parsed(packet)
    for element in root.iter() if root is not None else ():
        text = element.get(f"{{{RECIPE}}}recipe")
        if text is not None:
            try:
                found = json.loads(text)
            except ValueError:
                return None
            return found if isinstance(found, dict) else None
    return None


def recipe_in(data: bytes) -> dict[str, Any] | None:
    """The recipe in the bytes of a whole file, or None: every output format holds its packet uncompressed."""
    at = data.find(RECIPE.encode())
    if at < 0:
        return None
    for tag in (b"x:xmpmeta", b"rdf:RDF"):
        start, end = data.rfind(b"<" + tag, 0, at), data.find(b"</" + tag + b">", at)
        if start >= 0 and end >= 0:
            return recipe_of(data[start : end + len(tag) + 3])
    return None


def _parsed(packet: bytes) -> ElementTree.Element | None:
    text = _as_utf8(packet)
    found = _Reading().parsed(text)
    if found is None and (ends := list(re.finditer(rb"</(?:[\w.-]+:)?(?:xmpmeta|xapmeta|RDF)\s*>", text))):
        # Padding, or the rest of an older packet, may follow.
        found = _Reading().parsed(text[: ends[-1].end()])
    return found


def _as_utf8(packet: bytes) -> bytes:
    """Text of the packet in UTF-8, without XML declaration, processing instructions around it, and padding."""
    for mark, name in (
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"<\0\0\0", "utf-32-le"),
        (b"\0\0\0<", "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"<\0", "utf-16-le"),
        (b"\0<", "utf-16-be"),
    ):
        if packet.startswith(mark):
            packet = packet.decode(name, "replace").encode("utf-8", "replace")
            break
    else:
        declared = re.match(rb"""\s*(?:\xef\xbb\xbf)?<\?xml[^>]*encoding=["']([\w.-]+)""", packet)
        if declared:
            with contextlib.suppress(LookupError, ValueError):
                packet = packet.decode(declared[1].decode("ascii")).encode()
    return _without_instructions(packet).strip(b"\0 \r\n\t\xef\xbb\xbf")


def _without_instructions(text: bytes) -> bytes:
    # Not by a regular expression, which would scan to the end for each one that is not closed.
    kept, read = [], 0
    while (at := text.find(b"<?x", read)) >= 0 and (end := text.find(b"?>", at)) >= 0:
        kept.append(text[read:at] if text.startswith((b"<?xpacket", b"<?xml"), at) else text[read : end + 2])
        read = end + 2
    return b"".join([*kept, text[read:]])


class _Reading:
    """XML parser for a packet: builds elements incrementally, and stops where they nest too deeply."""

    def __init__(self) -> None:
        self._tree = ElementTree.TreeBuilder()
        self._depth = self._count = 0
        self._parser = parser = expat.ParserCreate("utf-8", "}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._tree.data
        parser.StartDoctypeDeclHandler = self._refuse

    def parsed(self, text: bytes) -> ElementTree.Element | None:
        """The root element; None for what is not XML, declares a document type, or nests too deeply."""
        if not text:
            return None
        try:
            self._parser.Parse(text, True)
            return self._tree.close()
        except (expat.ExpatError, ValueError, LookupError, AssertionError):
            return None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > _DEEPEST or self._count > _MOST_ELEMENTS:
            raise ValueError("more elements than XMP has")
        self._tree.start(_braced(name), {_braced(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._tree.end(_braced(name))

    def _refuse(self, *_: object) -> None:
        # XMP needs no entities, and a few nested ones can fill the memory.
        raise ValueError("a document type")


def _braced(name: str) -> str:
    return "{" + name if "}" in name else name


def _clean(element: ElementTree.Element, further: Sequence[str]) -> None:
    for name in list(element.attrib):
        if _is_outdated(name) or name in further:
            del element.attrib[name]
    element[:] = [child for child in element if not _is_outdated(child.tag) and child.tag not in further]


def _is_outdated(name: str) -> bool:
    space = name[1:].partition("}")[0] if name.startswith("{") else ""
    return space in _UNTRUE_SPACES or space == RECIPE or name in _UNTRUE_NAMES


def _drop_places(element: ElementTree.Element) -> None:
    """Remove properties that are a location by name or value, and structures that this leaves empty."""
    for name, value in list(element.attrib.items()):
        if _is_place(name) or tells_place(value):
            del element.attrib[name]
    kept = []
    for child in element:
        if _is_place(child.tag) or tells_place((child.text or "") + (child.tail or "")):
            continue
        was = bool(len(child) or child.attrib)
        _drop_places(child)
        if not was or len(child) or child.attrib or (child.text or "").strip():
            kept.append(child)
    element[:] = kept
    if tells_place(element.text or ""):
        element.text = None


def _is_place(name: str) -> bool:
    space, _, local = name.rpartition("}")
    return space != "{" + _RDF and is_place(local)


def _holds_place(root: ElementTree.Element) -> bool:
    """True if any name or text in a tree tells a location; a second check, after removal."""
    for element in root.iter():
        if _is_place(element.tag) or tells_place((element.text or "") + " " + (element.tail or "")):
            return True
        if any(_is_place(name) or tells_place(value) for name, value in element.attrib.items()):
            return True
    return False
