"""Every kind of photo file comes out upright with the values that were put in, or is refused in plain words."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image, ImageFile

from handful.core.containers import LARGEST_PIXELS, read_container
from handful.core.decode import (
    DecodedPhoto,
    UnreadablePhoto,
    decode_photo,
    keep_out_of_photos,
    list_photo_files,
    natural_order,
)
from handful.core.errors import UserError
from handful.core.images import png_bytes

Array = npt.NDArray[Any]
RANDOM = np.random.default_rng(0)
GREY8 = RANDOM.integers(0, 256, (20, 30), dtype=np.uint8)
RGB8 = RANDOM.integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY16 = RANDOM.integers(0, 65536, (20, 30), dtype=np.uint16)
RGB16 = RANDOM.integers(0, 65536, (20, 30, 3), dtype=np.uint16)


def save(path: Path, pixels: Array, **options: Any) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def png_file(
    pixels: Array, colour_type: int, depth: int, sbit: int | None = None, size: tuple[int, int] | None = None
) -> bytes:
    """A PNG written by hand: Pillow cannot write 16-bit colour, nor a false size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    rows = pixels.astype(">u2" if depth == 16 else np.uint8).reshape(len(pixels), -1)
    header = struct.pack(">IIBBBBB", *(size or pixels.shape[1::-1]), depth, colour_type, 0, 0, 0)
    stated = b"" if sbit is None else chunk(b"sBIT", bytes([sbit] * channels))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + stated + data + chunk(b"IEND", b"")


def packed_tiff(pixels: Array, order: str = "<") -> bytes:
    """A TIFF of 12-bit grey, two pixels in three bytes, as some cameras write it."""
    first, second = pixels[:, ::2].astype(int), pixels[:, 1::2].astype(int)
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=-1).astype(np.uint8).tobytes()
    height, width = pixels.shape
    longs = {256: width, 257: height, 273: 8, 278: height, 279: len(packed)}
    shorts = {258: 12, 259: 1, 262: 1, 277: 1}
    entries = b"".join(
        struct.pack(order + "HHI", tag, 4, 1) + struct.pack(order + "I", longs[tag])
        if tag in longs
        else struct.pack(order + "HHI", tag, 3, 1) + struct.pack(order + "HH", shorts[tag], 0)
        for tag in sorted(longs | shorts)
    )
    start = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(packed))
    return start + packed + struct.pack(order + "H", len(longs | shorts)) + entries + struct.pack(order + "I", 0)


def check(decoded: DecodedPhoto, pixels: Array, depth: int) -> None:
    assert decoded.bit_depth == depth
    assert decoded.pixels.dtype == (np.uint8 if depth == 8 else np.uint16)
    assert decoded.pixels.shape == pixels.shape and np.array_equal(decoded.pixels, pixels)


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "TIFF", "PNG"])
@pytest.mark.parametrize("pixels", [GREY8, RGB8], ids=["grey", "rgb"])
def test_lossless_8_bit_files_keep_every_value(tmp_path: Path, extension: str, pixels: Array) -> None:
    decoded = decode_photo(save(tmp_path / f"Bild 1 (Köpie).{extension}", pixels))
    check(decoded, pixels, 8)
    assert decoded.notes == ()


def test_jpeg_is_what_pillow_decodes_and_grey_jpeg_stays_grey(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8), (48, 64))
    colour = save(tmp_path / "a.JPG", np.dstack([smooth, smooth[:, ::-1], smooth]), quality=95)
    check(decode_photo(colour), np.asarray(Image.open(colour)), 8)
    grey = decode_photo(save(tmp_path / "b.jpeg", smooth))
    assert grey.pixels.ndim == 2 and np.abs(grey.pixels.astype(int) - smooth).max() <= 3
    assert grey.format == "JPEG L"


@pytest.mark.parametrize("depth", [10, 12, 14, 16])
def test_png_grey_takes_its_depth_from_the_sbit_chunk_and_keeps_its_values(tmp_path: Path, depth: int) -> None:
    pixels: Array = GREY16 >> (16 - depth)
    pixels[0, 0] = 2**depth - 1
    (tmp_path / "a.png").write_bytes(png_bytes(pixels, depth))
    check(decode_photo(tmp_path / "a.png"), pixels, depth)
    check(decode_photo(tmp_path / "a.png", depth), pixels, depth)


def test_png_scaled_up_to_16_bit_as_the_standard_asks_is_scaled_back(tmp_path: Path) -> None:
    pixels = GREY16 >> 4
    (tmp_path / "a.png").write_bytes(png_file(pixels << 4 | pixels >> 8, 0, 16, sbit=12))
    decoded = decode_photo(tmp_path / "a.png")
    check(decoded, pixels, 12)
    assert "scaled back" in decoded.notes[0]


@pytest.mark.parametrize("depth", [10, 12, 16])
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_a_stated_depth_holds_where_the_file_states_none(tmp_path: Path, depth: int, kind: str) -> None:
    pixels = GREY16 >> (16 - depth)
    path = save(tmp_path / f"a.{kind}", pixels)
    check(decode_photo(path, depth), pixels, depth)
    unstated = decode_photo(path)
    check(unstated, pixels, 16)
    assert unstated.likely_bit_depth == (None if depth == 16 else depth)
    assert any(f"--bit-depth {depth}" in note for note in unstated.notes) == (depth < 16)


TIFF_KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "zlib": {"compression": "zlib"},
    "tiled": {"tile": (16, 16)},
    "predictor": {"compression": "zlib", "predictor": True},
    "bigtiff": {"bigtiff": True},
}


@pytest.mark.parametrize("kind", TIFF_KINDS)
@pytest.mark.parametrize("pixels", [GREY16, RGB16], ids=["grey", "rgb"])
def test_16_bit_tiff_is_read_whole_and_colour_is_rounded_to_8(tmp_path: Path, kind: str, pixels: Array) -> None:
    photometric = "minisblack" if pixels.ndim == 2 else "rgb"
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, **TIFF_KINDS[kind])
    decoded = decode_photo(tmp_path / "a.tif")
    if pixels.ndim == 2:
        check(decoded, pixels, 16)
    else:
        check(decoded, np.rint(pixels / 257), 8)
        assert decoded.notes == ("Colour of 16 bits a channel was reduced to 8.",)


def test_12_bit_colour_in_16_bit_tiff_is_reduced_from_the_stated_depth(tmp_path: Path) -> None:
    pixels = RGB16 >> 4
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig="contig")
    check(decode_photo(tmp_path / "a.tif", 12), np.rint(pixels / 4095 * 255), 8)
    assert decode_photo(tmp_path / "a.tif").likely_bit_depth == 12


def test_planar_colour_tiff_is_the_same_as_interleaved(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(RGB16, -1, 0), photometric="rgb", planarconfig="separate")
    check(decode_photo(tmp_path / "a.tif"), np.rint(RGB16 / 257), 8)


def test_packed_12_bit_tiff_states_its_depth(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(packed_tiff(GREY16 >> 4))
    check(decode_photo(tmp_path / "a.tif"), GREY16 >> 4, 12)
    (tmp_path / "b.tif").write_bytes(packed_tiff(GREY16 >> 4, ">"))
    with pytest.raises(UnreadablePhoto, match="packing of 12 bits is not supported: save it as"):
        decode_photo(tmp_path / "b.tif")


@pytest.mark.parametrize("inverted", [False, True])
def test_lzw_tiff_of_16_bit_grey_is_not_clipped_and_white_is_white(tmp_path: Path, inverted: bool) -> None:
    path = save(tmp_path / "a.tif", GREY16, compression="tiff_lzw", tiffinfo={262: 0 if inverted else 1})
    check(decode_photo(path), 65535 - GREY16 if inverted else GREY16, 16)


def test_min_is_white_tiff_is_turned_at_8_and_16_bit(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "8.tif", GREY8, photometric="miniswhite")
    tifffile.imwrite(tmp_path / "16.tif", GREY16, photometric="miniswhite")
    check(decode_photo(tmp_path / "8.tif"), 255 - GREY8, 8)
    check(decode_photo(tmp_path / "16.tif"), 65535 - GREY16, 16)


def test_16_bit_colour_png_keeps_the_upper_byte_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_file(RGB16, 2, 16))
    decoded = decode_photo(tmp_path / "a.png")
    check(decoded, RGB16 >> 8, 8)
    assert decoded.notes == ("Of 16 bits a channel the upper 8 are kept.",)


def test_12_bit_colour_in_a_png_is_refused_or_hinted_at_but_never_read_as_black(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_file(RGB16 >> 4, 2, 16))
    assert decode_photo(tmp_path / "a.png").likely_bit_depth == 12
    with pytest.raises(UnreadablePhoto, match="loses a 12-bit picture: save it as an uncompressed TIFF"):
        decode_photo(tmp_path / "a.png", 12)
    (tmp_path / "b.png").write_bytes(png_file(RGB16 >> 4, 2, 16, sbit=12))
    with pytest.raises(UnreadablePhoto, match="loses a 12-bit picture"):
        decode_photo(tmp_path / "b.png")


def test_three_equal_channels_count_as_grey(tmp_path: Path) -> None:
    check(decode_photo(save(tmp_path / "a.png", np.dstack([GREY8] * 3))), GREY8, 8)
    tifffile.imwrite(tmp_path / "b.tif", np.dstack([GREY16] * 3), photometric="rgb")
    check(decode_photo(tmp_path / "b.tif"), GREY16, 16)  # found before colour is reduced: no bit is lost


@pytest.mark.parametrize(("opaque", "notes"), [(True, 0), (False, 1)])
@pytest.mark.parametrize("kind", ["LA png", "RGBA png", "RGBA 16-bit tif"])
def test_transparency_is_dropped_and_noted_where_it_said_anything(
    tmp_path: Path, kind: str, opaque: bool, notes: int
) -> None:
    alpha = np.full((20, 30), 255, np.uint8)
    alpha[3, 4] = 255 if opaque else 7
    if kind == "RGBA 16-bit tif":
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, np.dstack([RGB8, alpha]).astype(np.uint16) * 257, photometric="rgb")
    else:
        path = save(tmp_path / "a.png", np.dstack([GREY8 if kind == "LA png" else RGB8, alpha]))
    decoded = decode_photo(path)
    check(decoded, GREY8 if kind == "LA png" else RGB8, 8)
    assert sum("Transparency was dropped" in note for note in decoded.notes) == notes


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    colours = RANDOM.integers(0, 256, (4, 3), dtype=np.uint8)
    indices = RANDOM.integers(0, 4, (20, 30), dtype=np.uint8)
    for extension in ("png", "bmp", "tif"):
        picture = Image.fromarray(indices, mode=None).convert("P")
        picture.putpalette(colours.tobytes() + bytes(3 * 252))
        picture.putdata(indices.ravel().tolist())
        picture.save(tmp_path / f"a.{extension}")
        check(decode_photo(tmp_path / f"a.{extension}"), colours[indices], 8)


def test_cmyk_becomes_rgb_and_is_noted(tmp_path: Path) -> None:
    picture = Image.new("CMYK", (8, 8), (255, 0, 0, 0))  # full cyan
    picture.save(tmp_path / "a.tif")
    picture.save(tmp_path / "a.jpg", quality=100)
    for name in ("a.tif", "a.jpg"):
        decoded = decode_photo(tmp_path / name)
        assert np.abs(decoded.pixels.astype(int) - [0, 255, 255]).max() <= 2
        assert any("CMYK" in note for note in decoded.notes)


@pytest.mark.parametrize("extension", ["png", "bmp", "tif"])
def test_one_bit_files_are_0_and_255(tmp_path: Path, extension: str) -> None:
    bits = GREY8 > 127
    Image.fromarray(bits).save(tmp_path / f"a.{extension}")
    decoded = decode_photo(tmp_path / f"a.{extension}")
    check(decoded, bits.astype(np.uint8) * 255, 8)
    assert "1 bit" in decoded.notes[0]


# The picture a viewer shows for orientation 1 ... 8 (EXIF 2.3, 4.6.4), where the file holds [[1, 2, 3], [4, 5, 6]].
UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_orientation_comes_out_upright_in_every_format(tmp_path: Path, orientation: int) -> None:
    block = np.array([[1, 2, 3], [4, 5, 6]], np.uint8).repeat(16, 0).repeat(16, 1) * 40
    upright = np.array(UPRIGHT[orientation], np.uint8).repeat(16, 0).repeat(16, 1) * 40
    exif = Image.Exif()
    exif[274] = orientation
    check(decode_photo(save(tmp_path / "a.png", block, exif=exif)), upright, 8)
    jpeg = decode_photo(save(tmp_path / "a.jpg", block, exif=exif, quality=95)).pixels
    assert jpeg.shape == upright.shape and np.abs(jpeg.astype(int) - upright).max() < 12
    check(decode_photo(save(tmp_path / "8.tif", block, tiffinfo={274: orientation})), upright, 8)
    lzw = save(tmp_path / "lzw.tif", block.astype(np.uint16), compression="tiff_lzw", tiffinfo={274: orientation})
    check(decode_photo(lzw), upright, 16)
    tifffile.imwrite(tmp_path / "16.tif", block.astype(np.uint16), extratags=[(274, 3, 1, orientation, True)])
    check(decode_photo(tmp_path / "16.tif"), upright, 16)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_of_several_pages_the_first_is_read_and_that_is_noted(tmp_path: Path, dtype: type) -> None:
    pages: Array = np.stack([GREY8, 255 - GREY8]).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    decoded = decode_photo(tmp_path / "a.tif")
    assert np.array_equal(decoded.pixels, GREY8)
    assert "The file holds 2 pictures; the first is used." in decoded.notes


def test_a_file_of_another_format_than_its_name_says_is_read(tmp_path: Path) -> None:
    save(tmp_path / "a.bmp", GREY8)
    (tmp_path / "a.bmp").rename(tmp_path / "a.png")
    decoded = decode_photo(tmp_path / "a.png")
    check(decoded, GREY8, 8)
    assert decoded.format == "BMP L"


def encoded(pixels: Array, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def deep_tiff(**options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, GREY16, **options)
    return buffer.getvalue()


WHOLE = {
    "jpeg": encoded(RGB8.repeat(8, 0).repeat(8, 1), "JPEG"),
    "progressive jpeg": encoded(RGB8.repeat(8, 0).repeat(8, 1), "JPEG", progressive=True),
    "png": encoded(RGB8, "PNG"),
    "bmp": encoded(RGB8, "BMP"),
    "tiff": encoded(GREY8, "TIFF"),
    "lzw tiff": encoded(GREY8, "TIFF", compression="tiff_lzw"),
    "16-bit tiff": deep_tiff(),
    "16-bit zlib tiff": deep_tiff(compression="zlib", tile=(16, 16)),
}


@pytest.mark.filterwarnings("ignore:Truncated File Read")
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_cut_short_is_refused_and_never_padded(kind: str, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    read_container(WHOLE[kind])  # whole, it is fine
    for padding in (False, True):  # True: what many scripts set for all of Pillow
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", padding)
        with pytest.raises(UnreadablePhoto, match=r"cut short|damaged|not a PNG"):
            read_container(WHOLE[kind][: int(len(WHOLE[kind]) * share)])
        assert padding == ImageFile.LOAD_TRUNCATED_IMAGES


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds one pixel."""
    return png_file(np.zeros((1, 1), np.uint8), 0, 8, size=(width, height))


def big_tiff() -> bytes:
    return packed_tiff(GREY16 >> 4).replace(struct.pack("<HHII", 256, 4, 1, 30), struct.pack("<HHII", 256, 4, 1, 2**31))


UNREADABLE = {
    "empty": (b"", "the file is empty (0 bytes)"),
    "text": (b"hello, I am not a picture", "it is not a PNG, JPEG, BMP or TIFF image, whatever its name says"),
    "gif": (encoded(GREY8, "GIF"), "it is not a PNG, JPEG, BMP or TIFF image"),
    "float tiff": (encoded(GREY8.astype(np.float32), "TIFF"), "floating-point values of 32 bits are not supported"),
    "pillow warns": (png_of_size(10000, 9000), "the limit of 89 megapixels"),
    "pillow refuses": (png_of_size(2**20, 2**20), "the limit of 89 megapixels"),
    "big tiff": (big_tiff(), "megapixels; the limit is 89 megapixels"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_says_why(tmp_path: Path, kind: str) -> None:
    content, words = UNREADABLE[kind]
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UnreadablePhoto) as caught:
        decode_photo(tmp_path / "a.png")
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("pixels", "options", "words"),
    [
        (GREY16.astype(np.int16), {}, "signed values of 16 bits"),
        (GREY16.astype(np.uint32), {}, "integer values of 32 bits"),
        (GREY16.astype(np.float16), {}, "floating-point values of 16 bits"),
        (np.dstack([RGB16, GREY16]), {"photometric": "separated"}, "16-bit pixels of the kind SEPARATED"),
        (np.dstack([RGB16, RGB16]), {"photometric": "rgb"}, "6 channels are not supported"),
    ],
)
def test_tiffs_of_other_numbers_are_refused_with_what_to_do(
    tmp_path: Path, pixels: Array, options: dict[str, Any], words: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    with pytest.raises(UnreadablePhoto, match=words + ".*save it as grey or RGB of 8-bit or 16-bit integers"):
        decode_photo(tmp_path / "a.tif")


def test_a_tiff_compression_that_nobody_knows_is_named_as_the_cause() -> None:
    plain = encoded(GREY8, "TIFF")
    place = plain.index(struct.pack("<HHI", 259, 3, 1)) + 8
    with pytest.raises(UnreadablePhoto, match=r"packing of 8 bits is not supported.*uncompressed"):
        read_container(plain[:place] + struct.pack("<H", 34713) + plain[place + 2 :])


def test_a_file_that_is_gone_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePhoto, match="cannot be opened: No such file"):
        decode_photo(tmp_path / "gone.png")


def test_just_below_the_limit_the_size_is_no_reason() -> None:
    assert 9000 * 9900 < LARGEST_PIXELS < 9000 * 10000
    with pytest.raises(UnreadablePhoto, match=r"cut short|damaged"):
        read_container(png_of_size(9900, 9000))


def test_damaged_bytes_never_raise_anything_but_unreadable() -> None:
    random = np.random.default_rng(1)
    outcomes = []
    for content in WHOLE.values():
        for _ in range(25):
            damaged = bytearray(content)
            for place in random.integers(0, len(damaged), 6):
                damaged[int(place) // (1 if random.random() < 0.5 else 8)] = int(random.integers(256))
            try:
                read_container(bytes(damaged))
                outcomes.append("read")
            except UnreadablePhoto as error:
                outcomes.append("refused")
                assert error.reason and "\n" not in error.reason
    assert {"read", "refused"} == set(outcomes)


@pytest.mark.parametrize("depth", [0, 7, 17, 24])
def test_an_impossible_depth_is_refused(tmp_path: Path, depth: int) -> None:
    with pytest.raises(UserError, match=rf"bit depth is {depth}\.\n.*8 to 16.*\n.*--bit-depth"):
        decode_photo(save(tmp_path / "a.png", GREY8), depth)


def test_a_value_above_the_stated_depth_is_refused_with_file_value_and_limit(tmp_path: Path) -> None:
    pixels = np.array([[0, 5000]], np.uint16)
    with pytest.raises(UserError, match=r"a\.png has a pixel of value 5000.*12\.\n.*4095.*\n.*--bit-depth"):
        decode_photo(save(tmp_path / "a.png", pixels), 12)


def test_a_stated_depth_above_the_container_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"bit depth is 12, and a\.jpg holds 8 bits\.\n.*at most 8.*\nLeave --bit-depth"
    ):
        decode_photo(save(tmp_path / "a.jpg", GREY8), 12)


def test_photos_are_listed_in_natural_order_below_all_folders(tmp_path: Path) -> None:
    wanted = ["a/img1.png", "a/img2.JPG", "a/img10.bmp", "b/Größe 3.jpeg", "img2.tif", "IMG10.TIFF"]
    ignored = [".hidden.png", ".cache/x.png", "a/._img1.png", "notes.txt", "png", "movie.gif", "folder.png/readme.md"]
    for name in wanted + ignored:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [path.relative_to(tmp_path).as_posix() for path in list_photo_files(tmp_path)] == wanted


def test_natural_order_is_total_for_any_mixture_of_digits_and_letters() -> None:
    names = ["", "1", "a", "a1b", "a01b", "A1B", "1a", "a/1", "a1/b", "²", "٣", "_", "10", "9"]
    ordered = sorted(names, key=natural_order)
    assert ordered == sorted(names[5:] + names[:5], key=natural_order)
    assert ordered.index("9") < ordered.index("10")


def test_a_wrong_folder_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder .*gone\.\n"):
        list_photo_files(tmp_path / "gone")
    file = save(tmp_path / "a.png", GREY8)
    with pytest.raises(UserError, match=rf"a\.png is a file, not a folder\.\n.*\n.*{tmp_path}"):
        list_photo_files(file)


@pytest.mark.parametrize("out", [".", "deeper/still", "../photos/x"])
def test_no_output_goes_into_the_photo_folder(tmp_path: Path, out: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    with pytest.raises(UserError, match=r"lies in the photo folder.*\nNothing is ever written.*\n.*--out"):
        keep_out_of_photos(photos / out, photos)
    keep_out_of_photos(tmp_path / "photos2", photos)
    keep_out_of_photos(tmp_path, photos)
