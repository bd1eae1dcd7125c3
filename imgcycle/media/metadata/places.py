"""Detection of locations: property names, and patterns in free text, in any kind of metadata."""

from __future__ import annotations

import re

_PARTS = ("gps", "latitude", "longitude", "longtitude", "geotag", "geohash", "geolocation", "sublocation")
_NAMES = frozenset(
    {"location", "locationcreated", "locationshown", "locationid", "locationname", "locationcode", "shotlocation"}
    | {"contentlocationcode", "contentlocationname", "primarylocationname", "primarylocationcode", "worldregion"}
    | {"countryprimarylocationname", "countryprimarylocationcode", "country", "countrycode", "countryname", "city"}
    | {"state", "province", "provincestate", "placename", "place", "coordinates", "lat", "lon", "lng", "long"}
    | {"latlong", "latlon", "latlng"}
)
_LONGEST = 1 << 22
_TELLING = re.compile(
    r"""geo:(?:[ ]?[+-]?\d|lat\b|lon\b|long\b|alt\b) | geotagged
    | gps[ _:.-]{0,2}(?:lat|lon|pos|coord|loc)
    | \b(?:latitude|longitude|longtitude)\b
    | \b(?:lat|lon|lng|long)["']?[ ]?[:=][ ]?["']?[+-]?\d
    | \b\d{1,3},\d{1,2}(?:\.\d{1,12}|,\d{1,2}(?:\.\d{1,12})?)[ ]?[NSEW]\b
    | \b\d{1,3}[ ]?(?:°|º|deg\b)[ ]?\d{1,2}(?:\.\d{1,12})?[ ]?['′’]
    | \b\d{1,3}\.\d{2,12}[ ]?(?:°|º|deg\b)[ ]?[NSEWO]\b
    | [+-]\d{2,6}\.\d{2,12}[+-]\d{3,7}\.\d{2,12}
    | (?<![\d.])[+-]?[0-8]?\d\.\d{3,15}[ ]?[,;/][ ]?[+-]?1?\d{1,2}\.\d{3,15}(?![\d.])
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Geotags of photo sites, named properties, XMP's and common notations of degrees, ISO 6709, decimal pairs."""


def is_place(name: str) -> bool:
    """True if a property of this name, in any spelling and namespace, holds a location or part of one."""
    bare = re.sub(r"[^a-z]", "", name.lower())
    return bare in _NAMES or any(part in bare for part in _PARTS)


def tells_place(text: str | bytes) -> bool:
    """True if free text holds coordinates, or is too long to be searched.

    Bytes are searched as Latin-1, and as UTF-16 where they contain zeros.
    """
    if len(text) > _LONGEST:
        return True
    if isinstance(text, str):
        return _TELLING.search(text) is not None
    seen = text.decode("latin-1")
    return tells_place(seen) or ("\0" in seen and tells_place(seen.replace("\0", "")))
