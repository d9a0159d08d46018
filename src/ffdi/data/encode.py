"""An image in the format of another file, so that the format tells nothing about the image.

A set of fakes saved as PNG, or all at one quality, is told from originals by its files alone (see data.audit). So each
takes over quantisation tables, colour sampling and scan order of an original's file, whatever the tool that wrote it.
"""

import io

import numpy as np
from PIL import Image, JpegImagePlugin


def like(image_HWC: np.ndarray, donor: bytes) -> bytes:
    """uint8 RGB as a JPEG saved as the RGB JPEG `donor` was; as PNG if `donor` is none, which has no quality."""
    picture, buffer = Image.fromarray(image_HWC), io.BytesIO()
    with Image.open(io.BytesIO(donor)) as model:
        if not isinstance(model, JpegImagePlugin.JpegImageFile):
            picture.save(buffer, "PNG")
        else:
            picture.save(
                buffer,
                "JPEG",
                qtables=model.quantization,
                subsampling=JpegImagePlugin.get_sampling(model),
                progressive="progression" in model.info,
            )
    return buffer.getvalue()
