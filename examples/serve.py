"""What is on a photo, by an exported model: python examples/serve.py model.onnx photo.jpg."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps, UnidentifiedImageError

warnings.simplefilter("ignore")  # of large photos


def read(path: str, mode: str, size: int) -> np.ndarray:
    with Image.open(path) as file:
        key = file.info.get("transparency")
        if isinstance(key, tuple) and any(tile[3] == "RGB;16B" for tile in file.tile):
            file.info["transparency"] = tuple(value >> 8 for value in key)  # as the pixels
        image = ImageOps.exif_transpose(file)
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits, or floats from 0 to 1
        values, key = np.asarray(image), image.info.get("transparency")
        top = 1 if image.mode == "F" else 65535
        if not (values.min() >= 0 and values.max() <= top):
            raise ValueError(f"expected values from 0 to {top}")
        scaled = np.round(values * (255 / top))
        image = Image.fromarray(np.where(values == key, 255, scaled).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode == "LAB":
        image = image.convert("RGB")
    image = image.convert(mode)
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size))
    return np.asarray(image, np.uint8).reshape(1, size, size, -1)


def main(model: str, *photos: str) -> None:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    about = {key: json.loads(value) for key, value in properties.items()}
    unread = []
    for photo in photos:
        try:
            images = read(photo, about["mode"], about["size"])
        except UnidentifiedImageError:
            unread.append(f"{photo}: not an image file")
            continue
        except (OSError, ValueError, Image.DecompressionBombError) as error:  # cut short, huge
            unread.append(f"{photo}: {error}")
            continue
        (values,) = session.run(None, {"images": images})[0]
        best = int(values.argmax())
        print(f"{photo}: {about['classes'][best]} ({about['output']}: {values[best]:.4f})")
    if unread:
        sys.exit("\n".join(unread))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("expected a model and photos: python examples/serve.py model.onnx photo.jpg")
    for path in sys.argv[1:]:
        if not Path(path).is_file():
            sys.exit(
                f"{path}: expected a file, got {'a folder' if Path(path).is_dir() else 'none'}"
            )
    main(*sys.argv[1:])
