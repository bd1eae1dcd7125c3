"""TIFF files: pages that Pillow decodes, and those whose samples are unpacked here."""

from __future__ import annotations

from functools import cached_property
from typing import IO, Any

from PIL import Image

from imgcycle.media.codecs import samples, tiff_reader
from imgcycle.media.codecs.encoded import EncodedImage, cut_off, decoded_by_pillow
from imgcycle.media.codecs.tiff_reader import SampleLayout
from imgcycle.media.files import Data
from imgcycle.media.image.still import Still
from imgcycle.media.metadata import xmp
from imgcycle.media.metadata.survey import Survey, parsed
from imgcycle.media.metadata.tiff_tags import survey_tiff


class EncodedTiff(EncodedImage):
    """A TIFF at the page that is the picture."""

    @staticmethod
    def survey(data: Data) -> Survey:
        return survey_tiff(data)

    @staticmethod
    def open_stream(data: Data, stream: IO[bytes]) -> Image.Image:  # noqa: ARG004 - the stream holds all of it
        """Open it at the first full page; InputError, with the reason, for pages that cannot be read as a picture."""
        return tiff_reader.open_tiff(stream)

    @cached_property
    def layout(self) -> SampleLayout:
        """Layout of its samples."""
        return tiff_reader.layout_of(self.image)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored; Pillow states those of the upright image."""
        tags: Any = self.image.tag_v2  # type: ignore[attr-defined]
        return int(tags[256]), int(tags[257])

    @property
    def deep(self) -> bool:
        return self.layout.deep

    @property
    def alpha(self) -> bool:
        return self.layout.alpha is not None

    @property
    def grey(self) -> bool:
        return self.layout.grey

    @property
    def stored_bytes(self) -> int:
        """Bytes a pixel of all its channels, where they are unpacked here and more than six."""
        return samples.stored_bytes(self.image)

    def decode(self, draft: int) -> Still:  # noqa: ARG002 - always 1
        """Pixels by `samples` or by Pillow; InputError with the missing share for a file that ends early."""
        lost = samples.missing_share(self.image, len(self.data))
        try:
            if tiff_reader.read_by_samples(self.image):
                return Still(*samples.read_samples(self.image, bytes(self.data)))
            return decoded_by_pillow(self.image, self.alpha)
        except Exception as error:
            if lost == 0:
                raise
            raise cut_off(lost) from error

    def notes(self) -> tuple[str, ...]:
        """Pages, channels and bits that are not read."""
        return tiff_reader.tiff_notes(self.image)

    def surveyed(self) -> Survey:
        """The survey of its page, which may not be the first."""
        tags: Any = self.image.tag_v2  # type: ignore[attr-defined]
        return parsed(lambda data: survey_tiff(data, int(tags._offset or 0)), self.data)

    def orientation(self, found: Survey) -> int:
        """Its own tag decides, XMP if there is none."""
        return found.orientation or xmp.xmp_orientation(found.xmp) or 1
