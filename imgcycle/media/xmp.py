"""XMP: what is still true kept, and the recipe of a result written where every format can carry it."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

RECIPE = "urn:imgcycle:recipe:1#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
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
"""Gain maps, motion-photo trailers, depth maps: data that a result does not hold any more."""
_UNTRUE_NAMES = (
    "{http://ns.adobe.com/tiff/1.0/}Orientation",
    "{http://ns.adobe.com/tiff/1.0/}ImageWidth",
    "{http://ns.adobe.com/tiff/1.0/}ImageLength",
    "{http://ns.adobe.com/exif/1.0/}PixelXDimension",
    "{http://ns.adobe.com/exif/1.0/}PixelYDimension",
    "{http://ns.adobe.com/xap/1.0/}Thumbnails",
    "{http://ns.adobe.com/xmp/note/}HasExtendedXMP",
)
_GPS = "{http://ns.adobe.com/exif/1.0/}GPS"
_NAMES = {
    "imgcycle": RECIPE,
    "rdf": _RDF,
    "x": _META,
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "stRef": "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
}


def made_true(packet: bytes, recipe: dict[str, Any] | None, keep: bool = True, keep_gps: bool = True) -> bytes:
    """A packet with what is no longer true taken out and `recipe` put in; empty bytes when nothing is left.

    `keep` False starts from nothing. A packet that is no XML, or declares entities, is dropped.
    """
    root = _parsed(packet) if keep else None
    tree = root.find(f"{{{_RDF}}}RDF") if root is not None and root.tag != f"{{{_RDF}}}RDF" else root
    if root is None or tree is None:
        if recipe is None:
            return b""
        root = ElementTree.Element(f"{{{_META}}}xmpmeta")
        tree = ElementTree.SubElement(root, f"{{{_RDF}}}RDF")
    for description in list(tree):
        _clean(description, keep_gps)
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
    return _BEGIN + body + _END


def recipe_of(packet: bytes) -> dict[str, Any] | None:
    """The recipe a packet holds, or None."""
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
    """The recipe in the bytes of a whole file: every format imgcycle writes holds its packet uncompressed."""
    at = data.find(RECIPE.encode())
    if at < 0:
        return None
    for tag in (b"x:xmpmeta", b"rdf:RDF"):
        start, end = data.rfind(b"<" + tag, 0, at), data.find(b"</" + tag + b">", at)
        if start >= 0 and end >= 0:
            return recipe_of(data[start : end + len(tag) + 3])
    return None


def _parsed(packet: bytes) -> ElementTree.Element | None:
    # Entities have no place in XMP, and a few nested ones can fill the memory.
    if not packet or b"<!" in packet:
        return None
    packet = re.sub(rb"<\?xpacket.*?\?>", b"", packet, flags=re.DOTALL).strip(b"\0 \r\n\t\xef\xbb\xbf")
    try:
        return ElementTree.fromstring(packet)  # noqa: S314 - no declarations get this far
    except (ElementTree.ParseError, ValueError, LookupError):
        return None


def _clean(element: ElementTree.Element, keep_gps: bool) -> None:
    for name in list(element.attrib):
        if _untrue(name, keep_gps):
            del element.attrib[name]
    for child in list(element):
        if _untrue(child.tag, keep_gps):
            element.remove(child)


def _untrue(name: str, keep_gps: bool) -> bool:
    space = name[1:].partition("}")[0] if name.startswith("{") else ""
    return (
        space in _UNTRUE_SPACES or space == RECIPE or name in _UNTRUE_NAMES or (not keep_gps and name.startswith(_GPS))
    )
